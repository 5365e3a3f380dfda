"""The commands that hold a certificate against something: ``verify`` and ``attack``."""

CERTIFICATE_BYTES = 4 << 20  # those of rsviz have a few kB
