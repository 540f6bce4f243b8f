"""pytest in an interpreter that qemu-user runs, and so what its tests start.

EMULATED_PYTHON=<a program that is this interpreter, emulated> python emulated.py -q ...
"""

from __future__ import annotations

import os
import sys

import pytest

if __name__ == "__main__":
    sys.executable = os.environ["EMULATED_PYTHON"]
    sys.exit(pytest.main(sys.argv[1:]))
