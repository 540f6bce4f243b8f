"""What SwiftPM compiled belongs to one place: `python3 scratch.py .build` clears it elsewhere.

Its module caches and plans hold absolute paths. In a checkout that was copied or moved after a
build they end the next one with "missing required module 'SwiftShims'".
"""

import fcntl
import os
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent


def claim(folder: Path) -> Path:
    """Return `folder`, a scratch path of SwiftPM, empty unless it was claimed in this place."""
    here = os.fspath(ROOT)
    record = folder / "checkout-path"
    handle = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)  # builds and tests run in several processes
        if not record.exists() or record.read_text(encoding="utf-8") != here:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True, exist_ok=True)
            record.write_text(here, encoding="utf-8")
    finally:
        os.close(handle)
    return folder


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        claim(ROOT / argument)
