"""Kill -9 at any moment of every kind of write."""

from __future__ import annotations

import itertools
import os
import random
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from trust.child import begun, waited
from trust.faults.writers import WRITERS, left_over, prepared, problem


def run(rng: random.Random, count: int) -> Iterator[str]:
    """Kill a process that writes over and over; the file is the old one or a new one, whole."""
    with tempfile.TemporaryDirectory() as folder:
        homes = {name: Path(folder, name) for name in WRITERS}
        paths = {}
        for name, home in homes.items():
            home.mkdir()
            paths[name] = prepared(name, home)
        for name in itertools.islice(itertools.cycle(WRITERS), count):
            yield _killed(rng, name, paths[name])


def _killed(rng: random.Random, name: str, path: Path) -> str:
    read, write = os.pipe()

    def work() -> None:
        os.write(write, b"begun")
        for k in itertools.count():
            WRITERS[name].write(path, k)

    process = begun(work)
    os.close(write)
    os.read(read, 5)
    os.close(read)
    time.sleep(rng.uniform(0, 0.03))
    os.kill(process, signal.SIGKILL)
    how = waited(process)
    if how != "killed by SIGKILL":
        return f"{name}: {how} before it was killed"
    found = problem(name, path)
    if not found and name != "CSVLogger":  # which writes line by line into the file itself
        WRITERS[name].write(path, 0)
        found = left_over(path.parent)
    return found
