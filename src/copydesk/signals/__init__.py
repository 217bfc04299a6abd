"""What the news of each place and hour says, category by category, from texts that a signals model has answered."""
