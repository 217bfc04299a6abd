"""Raw texts to a Dataset: sources, cleaning, splitting, and the built-in sample."""
