"""From what a model answered in production to its next version: texts to label, labels to merge, training anew."""
