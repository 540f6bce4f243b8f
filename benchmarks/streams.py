"""Training on rows of files beside rows in memory, with less memory than there are rows.

Files of Parquet are written, then read by a process that may allocate 2 GB. Its speed is beside
that of the same training on arrays, and that of reading the files from the disk; whichever of these
is less bounds it. Before either, the files leave the cache.
"""

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.session import environment, run_module

COLUMNS = 256
SIZES = (COLUMNS, 1024, 1024, 10)
BATCH = 512
GROUP = 1 << 16  # rows of a row group, 64 MB
FILE = 8 * GROUP
LIMIT = 2 << 30  # bytes that the reading process may allocate
IN_MEMORY = 4 * GROUP  # rows of the training on arrays
ROW_BYTES = 4 * COLUMNS + 8


def write(folder: Path, size: float) -> int:
    """Write about so many bytes of rows as Parquet; return the number of rows."""
    import pyarrow
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    rows = max(GROUP, round(size / ROW_BYTES / GROUP) * GROUP)
    X = rng.standard_normal((GROUP, COLUMNS), dtype=np.float32)
    for number, first in enumerate(range(0, rows, FILE)):
        writer: Any = None
        for k in range(min(FILE, rows - first) // GROUP):
            columns = np.roll(X.T, number * 8 + k, axis=0)  # other rows in every group
            part = {f"x{j}": np.ascontiguousarray(columns[j]) for j in range(COLUMNS)}
            table = pyarrow.table(part | {"y": np.argmax(columns[:10], axis=0)})
            writer = writer or pq.ParquetWriter(
                folder / f"part-{number:03}.parquet", table.schema, compression="none",
                use_dictionary=["y"],
            )  # fmt: skip
            writer.write_table(table, row_group_size=GROUP)
        writer.close()
    return rows


def forget(folder: Path) -> None:
    """Take the files out of the cache."""
    for path in folder.iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def read_seconds(paths: Sequence[Path]) -> float:
    """Return the seconds that reading these files takes, one after the other."""
    begin = time.perf_counter()
    for path in paths:
        with path.open("rb", buffering=0) as file:
            while file.read(1 << 22):
                pass
    return time.perf_counter() - begin


def train(folder: Path, is_limited: bool) -> dict[str, float]:
    """Train for an epoch on the files, or on some of their rows in memory."""
    import resource

    import swiftbackprop as sb

    if is_limited:
        resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))
    stream = sb.data.stream(str(folder / "part-*.parquet"), target="y")
    net = sb.Network(SIZES, loss="cross_entropy", optimizer=sb.Adam(1e-3), seed=0)
    given: tuple[Any, ...] = (stream,)
    rows = stream.rows or 0
    if not is_limited:
        first = sb.data.stream(folder / "part-000.parquet", target="y", batch_rows=GROUP)
        parts = [part for part, _ in zip(first, range(IN_MEMORY // GROUP), strict=False)]
        X, y = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        given, rows = (X, y), len(X)
    warm = np.zeros((BATCH, COLUMNS), np.float32)
    net.fit(warm, np.zeros(BATCH, np.int64), epochs=3, batch_size=BATCH, progress=False)
    epochs = 1 if is_limited else 2
    begin, busy = time.perf_counter(), time.process_time()
    net.fit(*given, epochs=epochs, batch_size=BATCH, progress=False)
    seconds, busy = time.perf_counter() - begin, time.process_time() - busy
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"rows": rows * epochs / seconds, "a core": rows * epochs / busy, "peak": peak}


def _child(folder: Path, kind: str, threads: int) -> dict[str, float]:
    env = environment(threads)
    found: dict[str, float] = run_module("benchmarks.streams", str(folder), kind, env=env)
    return found


def measure(size: float, threads: int) -> dict[str, float]:
    """Return rows a second of each way, bytes at the peak, and the ratio to what bounds it.

    Raises
    ------
    FailedError
        If a process fails, as for want of memory.
    """
    folder = Path(tempfile.mkdtemp(prefix="stream-"))
    try:
        rows = write(folder, size)
        files = sorted(folder.iterdir())
        before = _child(folder, "memory", threads)
        forget(folder)
        half = files[: max(1, len(files) // 4)]
        disk = sum(path.stat().st_size for path in half) / read_seconds(half)
        forget(folder)
        stream = _child(folder, "stream", threads)
        forget(folder)
        again = sum(path.stat().st_size for path in half) / read_seconds(half)
        runs = [before, _child(folder, "memory", threads)]
        memory, core = (statistics.mean(run[name] for run in runs) for name in ("rows", "a core"))
        bytes_of_row = sum(path.stat().st_size for path in files) / rows
        from_disk = statistics.mean([disk, again]) / bytes_of_row
    finally:
        shutil.rmtree(folder)
    return {
        "GB": rows * bytes_of_row / 1e9,
        "rows": rows,
        "stream": stream["rows"],
        "memory": memory,
        "disk": from_disk,
        "peak bytes": stream["peak"],
        "work": core / stream["a core"],
        "ratio": stream["rows"] / min(memory, from_disk),
    }


def words(found: dict[str, float]) -> dict[str, str]:
    """Return what was measured, for the terminal."""
    each = ROW_BYTES / 1e6
    shown = {
        f"{found['GB']:.1f} GB of Parquet": f"{found['rows'] / 1e6:.2f} million rows",
        "at the peak": f"{found['peak bytes'] / 2**30:.2f} GB resident, of 2 GB allowed",
    }
    for name in ("stream", "memory", "disk"):
        shown[name] = f"{found[name] / 1e3:.1f} thousand rows/s, {found[name] * each:.0f} MB/s"
    shown["work of a row"] = f"{found['work']:.3f} times that of training from memory alone"
    return shown | {"stream / what bounds it": f"{found['ratio']:.3f}"}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("kind", choices=("stream", "memory"))
    given = parser.parse_args()
    print(json.dumps(train(given.folder, given.kind == "stream")))
