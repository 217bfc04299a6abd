"""Labels from labelling functions: rules that vote, votes that become probabilities."""
