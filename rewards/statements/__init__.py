"""Statements and years, on screen, as files and on paper, straight from the ledger."""
