"""A small shop: receives the visitor with a click token, takes an order, and reports it to Spokes as a real shop would."""
