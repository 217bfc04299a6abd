"""Behavioural tests: what a model must say of texts thought of for it, and of texts changed a little."""
