"""One process of `mpirun -n 3`: the checks of the modules that are named behind a folder."""

from __future__ import annotations

import sys
from importlib import import_module

from checks import run

if __name__ == "__main__":
    for name in sys.argv[2:]:
        import_module(name)
    run()
