"""The computations behind the pictures of Learn."""
