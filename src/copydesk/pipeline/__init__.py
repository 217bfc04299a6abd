"""Every stage that a recipe needs, in order."""
