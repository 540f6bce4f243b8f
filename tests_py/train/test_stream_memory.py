"""Streams larger than the memory there is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers import plain_malloc, run_python_ok

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
feather = pytest.importorskip("pyarrow.feather")

# 128 MB of float32, which as equal numbers take a few MB of disk.
ROWS, COLUMNS, FILES = 2**17, 256, 4

LIMITED = """
import resource, sys
import numpy as np
import swiftbackprop as sb

rows = sb.data.stream(sys.argv[1], target="y", batch_rows=2048, window=2**13)
small = sb.data.stream(sys.argv[2], target="y", batch_rows=2048, window=2**13)
net = sb.Network([int(sys.argv[3]), 16, 2], output="softmax", seed=0)
net.fit(small, epochs=1, validation_data=small, progress=False)  # what is needed anyway
before = net.step_count
status = [line for line in open("/proc/self/status") if line.startswith("VmData")]
limit = int(status[0].split()[1]) * 1024 + 80 * 2**20
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
try:
    np.empty(96 * 2**20, np.uint8)
except MemoryError:
    print("limited")
net.fit(rows, epochs=1, batch_size=512, progress=False, validation_data=rows)
print(net.step_count - before, len(net.predict(rows)), "done")
"""


@plain_malloc
@pytest.mark.parametrize("kind", ["parquet", "feather"])
def test_a_stream_may_be_larger_than_memory(kind: str, tmp_path: Path) -> None:
    """80 MB may be allocated, and X is 128 MB; so large is a row group of Parquet."""
    if not Path("/proc/self/status").exists():
        pytest.skip("no /proc/self/status here")
    rows = ROWS // FILES
    X = {f"x{j}": np.full(rows, j / COLUMNS, np.float32) for j in range(COLUMNS)}
    part = pa.table(X | {"y": np.arange(rows) % 2})
    small = tmp_path / "small"
    small.mkdir()
    for k in range(FILES):
        if kind == "parquet":
            pq.write_table(part, tmp_path / f"{k}.parquet", row_group_size=rows)
        elif kind == "feather":
            feather.write_feather(part, str(tmp_path / f"{k}.feather"), chunksize=4096)
    if kind == "parquet":
        pq.write_table(part.slice(0, 4096), small / "0.parquet")
    elif kind == "feather":
        feather.write_feather(part.slice(0, 4096), str(small / "0.feather"))
    said = run_python_ok(
        LIMITED, str(tmp_path / f"*.{kind}"), str(small), str(COLUMNS), timeout=300
    )
    assert said.split() == ["limited", str(ROWS // 512), str(ROWS), "done"]
