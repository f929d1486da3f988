"""The books: double entry, what they say of a reward, and the proof that they are right."""
