"""What a model in production is asked and answers, and whether that is still what it was made for."""
