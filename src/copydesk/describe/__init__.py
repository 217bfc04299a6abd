"""Data as figures, findings and a page: what to know before anything is trained."""
