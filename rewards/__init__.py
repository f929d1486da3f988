"""What they are owed: rules, grants, approvals, ledger, payouts, statements."""
