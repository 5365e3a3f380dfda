"""rsviz: see randomized smoothing, vote by vote, with certificates that can be defended."""

__version__ = "0.1.0"
