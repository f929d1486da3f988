"""The click path, its journal, and clicks in the database with what is added up of them."""
