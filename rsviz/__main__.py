"""Runs the command line: python -m rsviz COMMAND."""

import sys

from rsviz.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
