"""Who decides about a reward, what they saw, and what is asked about a second time."""
