"""Reading networks from files that `Network.save` wrote.

A file is data: it is checked against what it says of itself before anything is made from it,
and runs no code.
"""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from itertools import chain
from typing import Any, NoReturn

import numpy as np

from swiftbackprop._export.files import (
    DTYPES,
    KEY,
    LARGEST_HEADER,
    VERSION,
    checksum_of,
    header_size,
    safetensors,
    shapes,
    slot_name,
)
from swiftbackprop._export.json_checks import check, optional, parse
from swiftbackprop._export.spec_json import numbers, read_generator, read_spec
from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.checks import as_int, as_path, short
from swiftbackprop._net.state import OptimizerState, set_options, vectors
from swiftbackprop.network import Network

# What files of other kinds begin with, and what reads them.
_OTHERS = {
    b"PK": "a zip archive, as torch.save, Keras and np.savez write: load it with what wrote it; "
    "sb.from_torch(module) reads a module, net.load_state_dict(...) arrays",
    b"\x80": "a pickle: pickle.load or joblib.load reads it, if you trust who wrote it",
    b"\x89HDF": "an HDF5 file: net.load_state_dict(...) takes the arrays that h5py reads from it",
    b"\x93NUMPY": "an array: np.load reads it",
}
_MAX_MESSAGE = 500  # characters: what stands in a file may be long


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
        description = file.description()
        try:
            return file.notes(description)
        except ValueError as error:
            file.refuse(str(error))


class _Reader:
    """A file that is open; every flaw becomes a ValueError that names the file."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = as_path(path)
        package = safetensors()
        if not stat.S_ISREG(os.stat(self.path).st_mode):
            self.refuse("it is no regular file")
        size = header_size(self.path)
        if size > LARGEST_HEADER:
            start = size.to_bytes(8, "little")
            for begins, found in _OTHERS.items():
                if start.startswith(begins):
                    self.refuse(f"it is no safetensors file, which net.save writes, but {found}")
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
        raise ValueError(f"{self.path} is not read: {reason[:_MAX_MESSAGE]}")

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
        if KEY not in self.metadata:
            self.refuse(
                "it has no description of a network, as files that net.save writes do; "
                "weights alone go into a network by net.load_state_dict or net.set_weights"
            )
        try:
            description = parse(self.metadata[KEY])
        except ValueError as error:
            self.refuse(str(error))
        if description.pop("version", None) != VERSION:
            self.refuse(
                f"its description is not of version {VERSION}: another version of "
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
        spec, seed = read_spec(description)
        self.notes(description)
        steps = optional(description, "steps", "an int")
        if steps is not None:
            as_int(steps, "steps", min_=0, max_=2**53)
        classes = optional(description, "classes", "a list")
        state, values = read_generator(description), numbers(description, "options")
        checksum: str | None = optional(description, "checksum", "a str")
        if description:
            raise ValueError(f"unknown fields of its description: {short(description)}")
        groups = ["layers", "initial"] if "initial.1.W" in self.names else ["layers"]
        wanted = dict(chain.from_iterable(shapes(group, spec) for group in groups))
        for name, shape in wanted.items():  # all of them, before there is memory for any
            self.expect(name, shape, spec.dtype)
        net = Network.__new__(Network)
        net._build(spec, seed)
        # Not before there is memory for the network, so that no file is too large to look at.
        if checksum is not None and checksum != checksum_of(self.path):
            raise ValueError(
                "it is damaged: its content does not match its checksum. A program that changes "
                'such a file leaves "checksum" out of the description'
            )
        for layer in net.layers:
            for name in ("W", *vectors(layer.norm)):
                setattr(layer, name, self.tensor(f"layers.{layer.m}.{name}"))
        if "initial" in groups:
            arrays = [self.tensor(name) for name, _ in shapes("initial", spec)]
            net._made = replace(spec, start=tuple(zip(arrays[::2], arrays[1::2], strict=True)))
        slots = [slot_name(k) for k in range(0 if steps is None else net._slot_count())]
        known = len(wanted) + len(slots)
        if known != len(self.names):
            raise ValueError(f"expected {known} tensors, got {len(self.names)}")
        for name in slots:
            self.expect(name, (spec.n_parameters,), spec.dtype)
        set_options(net, values)
        if steps is not None:
            OptimizerState(tuple(self.tensor(name) for name in slots), steps).write(net)
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
            raise ValueError(f"{name}: expected shape {shape}, got {got}")
        if kind != DTYPES[dtype.name]:
            raise ValueError(f"{name}: expected dtype {DTYPES[dtype.name]}, got {kind}")

    def tensor(self, name: str) -> FloatArray:
        array: FloatArray = self.file.get_tensor(name)
        if not np.isfinite(array).all():
            raise ValueError(f"{name} contains NaN or infinity")
        return array
