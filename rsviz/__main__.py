"""Runs the command line: python -m rsviz COMMAND."""

import sys

from rsviz.cli.main import main
from rsviz.core import faults

if __name__ == "__main__":
    if "cuda" not in " ".join(sys.argv):  # whose driver reserves far more than it uses
        faults.keep_to(faults.free_memory())
    sys.exit(main())
