"""The nouns, the statistics, and the files of rsviz (no torch here)."""
