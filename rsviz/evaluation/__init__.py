"""A whole test set: logs, curves, comparison, claims; imports certification and below."""
