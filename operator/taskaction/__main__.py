"""Lets ``python -m taskaction`` be the command line; holds nothing else."""

import sys

from taskaction.cli import main

if __name__ == "__main__":
    sys.exit(main())
