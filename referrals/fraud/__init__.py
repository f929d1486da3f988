"""Signals, scores and cases: what looks like fraud is held and looked at by a person."""
