"""A quick model in front of a better one: how sure it must be, and whether that pays."""
