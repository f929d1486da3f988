"""Tax forms, invoices in the advocate's name, VAT, and what authorities are told."""
