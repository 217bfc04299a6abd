"""Raw texts from a recipe's sources, and from GDELT in particular."""
