"""What every door stands on: the transaction per request, sign-in, forms, errors, tables; knows no domain."""
