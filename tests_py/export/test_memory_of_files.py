"""How much memory a model takes to be read: so many bytes for each of its own."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from helpers import plain_malloc, run_python_ok

pytest.importorskip("safetensors")
if sys.platform != "linux":
    pytest.skip("peaks of memory are read from /proc", allow_module_level=True)

pytestmark = plain_malloc

# Of docs/files.md. Lists of empty lists are the worst that is known: 42 bytes a byte.
PER_BYTE, AND = 64, 8 << 20

READ = """
import json, os, pathlib, sys
import numpy as np
import swiftbackprop as sb
from model_files import description_of, joined, small, split, unsigned, with_description

SIZE = 1 << 19
path = pathlib.Path(sys.argv[1], "model")

def saved(*sizes, **options):
    sb.Network(sizes, seed=0, **options).save(path, optimizer=False)
    return unsigned(path.read_bytes())

def header(change):
    head, body = split(good)
    change(head, body)
    return joined(head, body)

def claimed(**fields):
    return with_description(good, {**description_of(good), **fields})

def tensors(head, body):
    for k in range(SIZE // 60):
        head[f"{k:x}"] = {"dtype": "F32", "shape": [0], "data_offsets": [len(body)] * 2}

small().save(path)
good = unsigned(path.read_bytes())
files = {
    "lists": claimed(x=[[]] * (SIZE // 4)),
    "numbers": claimed(x=[0.5] * (SIZE // 5)),
    "names": claimed(options={f"{k:x}": 0 for k in range(SIZE // 12)}),
    "rules": claimed(activations=[{"name": "relu", "parameters": {}}] * (SIZE // 40)),
    "widths": claimed(sizes=[1] * (SIZE // 3)),
    "large widths": claimed(sizes=[2**31 - 1, 2**31 - 1, 1]),
    "depth": with_description(good, "[" * (SIZE // 2) + "]" * (SIZE // 2)),
    "text": claimed(x="é" * (SIZE // 7)),
    "tensors": header(tensors),
    "dimensions": header(lambda head, body: head["layers.1.W"].update(shape=[1] * (SIZE // 3))),
    "layers": saved(*[1] * 4000),
    "state that is not there": saved(500, 500, 1, optimizer="adam"),
    "initial weights": saved(
        100_000, 1, optimizer="adam", initializer=[(np.ones((1, 100_000)), np.zeros(1))]
    ),
}

def memory(name):
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) << 10

def peak():
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = memory("VmRSS")
    try:
        sb.load(path)
    except ValueError as error:
        assert str(error).startswith(f"{path} is not read: "), error
    return memory("VmHWM") - before

found = {}
for name, content in files.items():
    path.write_bytes(content)
    read, write = os.pipe()
    process = os.fork()
    if process == 0:
        os.write(write, str(peak()).encode())
        os._exit(0)
    assert os.waitpid(process, 0)[1] == 0, name
    found[name] = (len(content), int(os.read(read, 20)))
    os.close(read), os.close(write)
print(json.dumps(found))
"""


def test_a_model_takes_no_more_memory_than_its_size_explains(tmp_path: Path) -> None:
    found = json.loads(run_python_ok(READ, str(tmp_path), timeout=300))
    assert len(found) == 13
    for name, (size, peak) in found.items():
        assert peak <= PER_BYTE * size + AND, (name, size, peak)
        assert size > 1000
