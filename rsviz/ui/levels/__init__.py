"""The Noise levels page."""
