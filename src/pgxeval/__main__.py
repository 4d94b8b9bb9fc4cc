"""``python -m pgxeval`` is the command `pgxeval`."""

import sys

from pgxeval.command import main

if __name__ == "__main__":
    sys.exit(main())
