"""The process that makes the calls: ``python -m trust.worker KIND SEED FIRST CASES SECONDS FILE``.

A case depends on the seed and its number alone. FILE has the number of the case and what it does;
what is found there is printed as a line of JSON, and the next case begins.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from trust.calls import Finding
from trust.child import Position, limit_memory

_MEMORY = 2 << 30


def run(kind: str, seed: int, number: int, log: Callable[[str], None], folder: Path) -> str:
    """Run a case and return what was found: nothing, or an error and where it comes from."""
    case = importlib.import_module(f"trust.{kind}").case
    try:
        case(random.Random(f"{kind} {seed} {number}"), log, folder)
    except Finding as error:
        return f"{error}\n{_origin(error)}"
    except Exception:
        return traceback.format_exc()
    return ""


def _origin(error: BaseException) -> str:
    """Return where the exception behind a finding comes from."""
    cause = error.__cause__
    return "" if cause is None else "".join(traceback.format_exception(cause)[-6:])


def main(arguments: list[str]) -> None:
    """Run cases until there are enough or the time is over, and print how many there were."""
    kind, seed, first, cases, seconds, path = arguments[:6]
    says = len(arguments) > 6
    faulthandler.enable()
    begin, number = time.monotonic(), int(first)
    position = Position(Path(path))
    importlib.import_module(f"trust.{kind}")
    limit_memory(_MEMORY)

    def log(line: str) -> None:
        position.add(line)
        if says:
            print(line.encode("ascii", "backslashreplace").decode(), flush=True)

    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)  # a text may be taken for the name of a file
        while number < int(first) + int(cases) and time.monotonic() - begin < float(seconds):
            position.begin(number)
            with tempfile.TemporaryDirectory(dir=name) as folder:
                found = run(kind, int(seed), number, log, Path(folder))
            if found:
                print(json.dumps({"case": number, "found": found, "calls": position.text}))
            number += 1
    print(json.dumps({"cases": number - int(first)}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
