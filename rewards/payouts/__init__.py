"""Payouts: closed in periods, reserved, sent by whoever carries them, and held against what they say."""
