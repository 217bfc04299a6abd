"""Training runs on disk: what to continue, the data they had, and the learning curve they leave."""
