"""Using a finished bundle."""
