"""The wire contract as plain Python values: what a client says and what it learns."""
