"""Networks by name, and what is done to their weights."""
