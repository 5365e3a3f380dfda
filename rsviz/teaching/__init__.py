"""What Learn teaches, and the experiments behind it; imports figures and below."""
