"""The Certify page."""
