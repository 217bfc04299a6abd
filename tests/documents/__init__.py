"""The documents' code blocks as values, what each page needs beforehand, and how they are run."""
