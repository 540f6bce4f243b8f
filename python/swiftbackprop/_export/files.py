"""Networks in files: safetensors, with what the network is made of in its metadata.

The format is described in docs/files.md. A file is data: it is checked against what it
says of itself before anything is made from it, and runs no code.
"""

from __future__ import annotations

import json
import os
import re
import stat
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain
from typing import IO, TYPE_CHECKING, Any, NoReturn

import numpy as np

from swiftbackprop._export.atomic_file import write_whole
from swiftbackprop._export.spec_json import describe, numbers, read_generator, read_recipe
from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.checks import check, optional, parse, short
from swiftbackprop._net.spec import Recipe
from swiftbackprop._net.state import Trained, live_recipe, options, set_options, vectors

if TYPE_CHECKING:
    from swiftbackprop._net.base import NetworkInside
    from swiftbackprop.network import Network

__all__ = ["load", "read_notes", "safetensors", "save"]

# The one key of the metadata, and the version of what stands there.
_KEY = "swiftbackprop"
_VERSION = 1

_DTYPES = {"float32": "F32", "float64": "F64"}  # as safetensors calls them
_LONGEST = 500  # characters of a message: what stands in a file may be long
# Bytes of a header: what is read before anything is checked. Enough for 10 000 layers.
_LARGEST_HEADER = 2**24

# Of a file: the CRC-32 of all its bytes, with these digits where it stands in the header.
_NO_CHECKSUM = "0" * 8
_CHECKSUM = re.compile(rb'(\\"checksum\\"\s*:\s*\\")([0-9a-f]{8})(?=\\")')


def save(
    net: NetworkInside,
    path: str | os.PathLike[str],
    optimizer: bool,
    generator: bool,
    notes: Mapping[str, str] | None = None,
) -> None:
    """Write a network; `Network.save` documents it. `notes` are texts that go with it."""
    serialize = safetensors("numpy").save
    twin = net.copy()  # the state of one moment, whatever other threads do
    recipe = live_recipe(twin)
    tensors = {
        f"layers.{layer.m}.{name}": getattr(layer, name)
        for layer in twin.layers
        for name in ("W", *vectors(layer.norm))
    }
    for m, (W, b) in enumerate(recipe.start, start=1):
        tensors |= {f"initial.{m}.W": W, f"initial.{m}.b": b}
    description = {"version": _VERSION, **describe(recipe, net.seed), "options": options(twin)}
    if optimizer:
        trained = Trained.of(twin)
        tensors |= {_slot(k): slot for k, slot in enumerate(trained.slots)}
        description["steps"] = trained.steps
    if generator:
        description["generator"] = [f"{word:016x}" for word in twin._generator()]
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise ValueError(f"{name} contains NaN or infinity: such a network is not saved")
    if twin._classes is not None:
        description["classes"] = twin._classes.tolist()
    if notes:
        description["notes"] = dict(notes)
    description["checksum"] = _NO_CHECKSUM
    # A single entry: safetensors writes several in an order that changes.
    metadata = {_KEY: json.dumps(description, allow_nan=False)}
    dense = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    content = memoryview(serialize(dense, metadata))
    head = 8 + int.from_bytes(content[:8], "little")
    if head - 8 > _LARGEST_HEADER:
        raise ValueError("the description of the network is too long for a file")
    header = _with_checksum(bytes(content[:head]), f"{zlib.crc32(content):08x}")

    def write(file: IO[bytes]) -> None:
        file.write(header)
        file.write(content[head:])

    write_whole(path, write)


def load(path: str | os.PathLike[str]) -> Network:
    """Read a network that `Network.save` wrote.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    Network
        With its weights, and if they were saved the optimizer's state and the random
        numbers to come: then training goes on with the same bits.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no such file, or damaged; nothing in a file runs code.
    ImportError
        If safetensors is not installed.

    See Also
    --------
    Network.save

    Examples
    --------
    >>> import os, tempfile, numpy as np, swiftbackprop as sb
    >>> net = sb.Network([2, 3, 1], seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "net.safetensors")
    ...     net.save(path)
    ...     again = sb.load(path)
    >>> bool(np.all(again.parameters == net.parameters))
    True
    """
    with _Reader(path) as file:
        return file.network()


def read_notes(path: str | os.PathLike[str]) -> dict[str, str]:
    """Return the texts that go with the network in a file."""
    with _Reader(path) as file:
        return file.notes(file.description())


def safetensors(module: str = "") -> Any:
    """Import the package safetensors."""
    from importlib import import_module

    try:
        return import_module(f"safetensors.{module}" if module else "safetensors")
    except ImportError as error:
        raise ImportError(
            "networks are kept in files by the package safetensors, which is not installed: "
            "pip install safetensors"
        ) from error


# --- What a file holds --------------------------------------------------------------------


def _shapes(group: str, recipe: Recipe) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the names and shapes of W(m), [D(m), D(m-1)], and of what is [D(m)]."""
    for m, shape in enumerate(recipe.shapes, start=1):
        yield f"{group}.{m}.W", shape
        for name in ("b",) if group == "initial" else vectors(recipe.norm(m)):
            yield f"{group}.{m}.{name}", shape[:1]


def _slot(k: int) -> str:
    return f"optimizer.{k}"


# --- Reading what may be anything ---------------------------------------------------------


class _Reader:
    """A file that is open; every flaw becomes a ValueError that names the file."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fsdecode(path)
        package = safetensors()
        if not stat.S_ISREG(os.stat(self.path).st_mode):
            self.refuse("it is no regular file")
        size = _header_size(self.path)
        if size > _LARGEST_HEADER:
            self.refuse(f"it is no safetensors file, or too large: its header takes {size} bytes")
        try:
            self.file = package.safe_open(self.path, framework="np")
            self.metadata: dict[str, str] = self.file.metadata() or {}
            self.names = frozenset(self.file.keys())
        except package.SafetensorError as error:
            self.refuse(f"it is no safetensors file, or damaged ({error})")

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, *_: object) -> None:
        del self.file

    def refuse(self, reason: str) -> NoReturn:
        raise ValueError(f"{self.path} is not read: {reason[:_LONGEST]}")

    def network(self) -> Network:
        """Return the network, once everything fits."""
        description = self.description()
        try:
            network = self.build(description)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            self.refuse(str(error))
        except MemoryError as error:
            raise MemoryError(f"{self.path} is not read: {error or 'no memory is left'}") from None
        return network

    def description(self) -> dict[str, Any]:
        """Return what the metadata say of the network."""
        if _KEY not in self.metadata:
            self.refuse(
                "it has no description of a network, as files that net.save writes do; "
                "weights alone go into a network by net.load_state_dict or net.set_weights"
            )
        try:
            description = parse(self.metadata[_KEY])
        except ValueError as error:
            self.refuse(str(error))
        if description.pop("version", None) != _VERSION:
            self.refuse(
                f"its description is not of version {_VERSION}: another version of "
                "swiftbackprop wrote it"
            )
        return description

    def notes(self, description: dict[str, Any]) -> dict[str, str]:
        """Take the notes out of a description."""
        notes: dict[str, str] = optional(description, "notes", "a dict") or {}
        for name in notes:
            check(notes[name], name, "a str")
        return notes

    def build(self, description: dict[str, Any]) -> Network:
        from swiftbackprop.network import Network

        recipe, seed = read_recipe(description)
        self.notes(description)
        steps = optional(description, "steps", "an int")
        if steps is not None and not 0 <= steps <= 2**53:
            raise ValueError(f"steps is {short(steps)}")
        classes = optional(description, "classes", "a list")
        state, values = read_generator(description), numbers(description, "options")
        checksum: str | None = optional(description, "checksum", "a str")
        if description:
            raise ValueError(f"its description has more than is known: {short(description)}")
        groups = ["layers", "initial"] if "initial.1.W" in self.names else ["layers"]
        wanted = dict(chain.from_iterable(_shapes(group, recipe) for group in groups))
        for name, shape in wanted.items():  # all of them, before there is memory for any
            self.expect(name, shape, recipe.dtype)
        net = Network.__new__(Network)
        net._build(recipe, seed)
        # Not before there is memory for the network, so that no file is too large to look at.
        if checksum is not None and checksum != _checksum(self.path):
            raise ValueError(
                "it is damaged: its content does not match its checksum. A program that changes "
                'such a file leaves "checksum" out of the description'
            )
        for layer in net.layers:
            for name in ("W", *vectors(layer.norm)):
                setattr(layer, name, self.tensor(f"layers.{layer.m}.{name}"))
        if "initial" in groups:
            arrays = [self.tensor(name) for name, _ in _shapes("initial", recipe)]
            net._made = replace(recipe, start=tuple(zip(arrays[::2], arrays[1::2], strict=True)))
        slots = [_slot(k) for k in range(0 if steps is None else net._slot_count())]
        known = len(wanted) + len(slots)
        if known != len(self.names):
            raise ValueError(f"it holds {len(self.names)} tensors, and {known} are wanted")
        for name in slots:
            self.expect(name, (recipe.n_parameters,), recipe.dtype)
        set_options(net, values)
        if steps is not None:
            Trained(tuple(self.tensor(name) for name in slots), steps).write(net)
        if state is not None:
            net._set_generator(state)
        net.classes_ = classes
        return net

    def expect(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        """Look at a tensor without reading it."""
        if name not in self.names:
            raise ValueError(f"{name} is missing")
        lazy = self.file.get_slice(name)
        got, kind = tuple(lazy.get_shape()), lazy.get_dtype()
        if got != shape:
            raise ValueError(f"{name} has shape {got}, and {shape} is wanted")
        if kind != _DTYPES[dtype.name]:
            raise ValueError(f"{name} is of type {kind}, and {_DTYPES[dtype.name]} is wanted")

    def tensor(self, name: str) -> FloatArray:
        array: FloatArray = self.file.get_tensor(name)
        if not np.isfinite(array).all():
            raise ValueError(f"{name} contains NaN or infinity")
        return array


def _header_size(path: str) -> int:
    """Return how long the header is by the first eight bytes of a file."""
    with open(path, "rb") as file:
        return int.from_bytes(file.read(8), "little")


def _checksum(path: str) -> str:
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
