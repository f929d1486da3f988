"""Stripe: its accounts, transfers, events, sales and balance."""
