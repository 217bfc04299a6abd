"""Texts to look at by hand, and what people decided about them."""
