"""A Stripe-compatible local server: Connect accounts, transfers, payouts, Checkout, refunds, disputes, signed webhooks."""
