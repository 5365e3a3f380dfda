"""Folders of weights and cards: find, check, load, save; imports networks, data, core."""
