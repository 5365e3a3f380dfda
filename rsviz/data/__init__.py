"""Bytes and data sets: the facts of each, and images in [0, 1]."""
