"""Networks in files: safetensors, with what the network is made of in its metadata.

The format is described in docs/files.md. A file is data: it is checked against what it
says of itself before anything is made from it, and runs no code.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from swiftbackprop._export.atomic_file import write_whole
from swiftbackprop._export.spec_json import describe
from swiftbackprop._net.optional import optional
from swiftbackprop._net.spec import NetworkSpec
from swiftbackprop._net.state import OptimizerState, live_spec, options, vectors

if TYPE_CHECKING:
    from swiftbackprop._net.base import NetworkBase


# The one key of the metadata, and the version of what stands there.
KEY = "swiftbackprop"
VERSION = 1

DTYPES = {"float32": "F32", "float64": "F64"}  # as safetensors calls them
# Bytes of a header: what is read before anything is checked. Enough for 10 000 layers.
LARGEST_HEADER = 2**24

# Of a file: the CRC-32 of all its bytes, with these digits where it stands in the header.
_NO_CHECKSUM = "0" * 8
_CHECKSUM = re.compile(rb'(\\"checksum\\"\s*:\s*\\")([0-9a-f]{8})(?=\\")')


def save(
    net: NetworkBase,
    path: str | os.PathLike[str],
    optimizer: bool,
    generator: bool,
    notes: Mapping[str, str] | None = None,
) -> None:
    """Write a network; `Network.save` documents it. `notes` are texts that go with it."""
    serialize = safetensors("numpy").save
    clone = net.copy()  # the state of one moment, whatever other threads do
    spec = live_spec(clone)
    tensors = {
        f"layers.{layer.m}.{name}": getattr(layer, name)
        for layer in clone.layers
        for name in ("W", *vectors(layer.norm))
    }
    for m, (W, b) in enumerate(spec.start, start=1):
        tensors |= {f"initial.{m}.W": W, f"initial.{m}.b": b}
    description = {"version": VERSION, **describe(spec, net.seed), "options": options(clone)}
    if optimizer:
        trained = OptimizerState.of(clone)
        tensors |= {slot_name(k): slot for k, slot in enumerate(trained.slots)}
        description["steps"] = trained.steps
    if generator:
        description["generator"] = [f"{word:016x}" for word in clone._generator()]
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise ValueError(f"{name} contains NaN or infinity: such a network is not saved")
    if clone._classes is not None:
        description["classes"] = clone._classes.tolist()
    if notes:
        description["notes"] = dict(notes)
    description["checksum"] = _NO_CHECKSUM
    # A single entry: safetensors writes several in an order that changes.
    metadata = {KEY: json.dumps(description, allow_nan=False)}
    dense = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    content = memoryview(serialize(dense, metadata))
    head = 8 + int.from_bytes(content[:8], "little")
    if head - 8 > LARGEST_HEADER:
        raise ValueError("the description of the network is too long for a file")
    header = _with_checksum(bytes(content[:head]), f"{zlib.crc32(content):08x}")

    def write(file: IO[bytes]) -> None:
        file.write(header)
        file.write(content[head:])

    write_whole(path, write)


def safetensors(module: str = "") -> Any:
    """Import the package safetensors."""
    return optional(
        f"safetensors.{module}" if module else "safetensors",
        "networks are kept in files by the package safetensors, which is not installed: "
        "pip install safetensors",
    )


# --- What a file holds --------------------------------------------------------------------


def shapes(group: str, spec: NetworkSpec) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the names and shapes of W(m), [D(m), D(m-1)], and of what is [D(m)]."""
    for m, shape in enumerate(spec.shapes, start=1):
        yield f"{group}.{m}.W", shape
        for name in ("b",) if group == "initial" else vectors(spec.norm(m)):
            yield f"{group}.{m}.{name}", shape[:1]


def slot_name(k: int) -> str:
    return f"optimizer.{k}"


def header_size(path: str) -> int:
    """Return how long the header is by the first eight bytes of a file."""
    with open(path, "rb") as file:
        return int.from_bytes(file.read(8), "little")


def checksum_of(path: str) -> str:
    """Return what the checksum of a file should be."""
    with open(path, "rb") as file:
        start = file.read(8)
        header = start + file.read(int.from_bytes(start, "little"))
        total = zlib.crc32(_with_checksum(header, _NO_CHECKSUM))
        while chunk := file.read(2**20):
            total = zlib.crc32(chunk, total)
    return f"{total:08x}"


def _with_checksum(header: bytes, checksum: str) -> bytes:
    """Return a header with other digits; the last ones, for notes may hold any text."""
    places = list(_CHECKSUM.finditer(header))
    if not places:
        return header
    start, end = places[-1].span(2)
    return header[:start] + checksum.encode() + header[end:]
