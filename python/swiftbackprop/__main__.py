"""The command line: ``python -m swiftbackprop``."""

import sys

from swiftbackprop._command import main

if __name__ == "__main__":
    sys.exit(main())
