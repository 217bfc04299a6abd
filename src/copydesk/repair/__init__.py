"""What may be wrong with a Dataset, text by text: labels, conflicts, languages, texts unlike all others."""
