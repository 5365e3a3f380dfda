"""The smoothing systems, one file each; imports smoothing, checkpoints and below."""
