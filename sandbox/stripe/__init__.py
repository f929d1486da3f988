"""A Stripe-compatible local server: Connect accounts, transfers, balances, payouts, events and signed webhooks."""
