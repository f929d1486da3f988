"""Perks for points or instead of money, with their stock and orders."""
