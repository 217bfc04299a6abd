"""Where finished models are kept by name, version and alias."""
