"""One image certified, verified, attacked; imports methods and below."""
