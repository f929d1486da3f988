"""Share links and campaigns: opened, imported, changed, drawn, and what is given to share with them."""
