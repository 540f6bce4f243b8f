"""The command line: ``python -m swiftbackprop``."""

from __future__ import annotations

import sys

from swiftbackprop._cli.main import main

if __name__ == "__main__":
    sys.exit(main())
