"""The statistics that turn votes into a certificate (no torch here)."""
