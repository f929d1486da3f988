"""Conversions and refunds: how they arrive, whose they are and why, and who asks again."""
