"""Bytes and data sets, read into images in [0, 1]; imports core."""
