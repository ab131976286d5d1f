"""The call archive: one row for each finished call, and what can be asked of all of them."""
