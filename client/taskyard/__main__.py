"""`python -m taskyard`: the same as the `taskyard` command."""

import sys

from taskyard.cli import main

if __name__ == "__main__":
    sys.exit(main())
