"""Read IDX files, the format of the MNIST family.

An IDX file is two zero bytes, a byte that names the type of an item, a byte with the number of
dimensions, each dimension as a big-endian uint32, then the items in C order. Files come from
elsewhere, so the header is a claim to be checked: nothing is allocated because a header says so.
"""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import IO, cast

import numpy as np
from numpy.typing import NDArray

_UNSIGNED_BYTE = 0x08
_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK = 1 << 20
# A gzip file of one megabyte may unpack to a gigabyte. Fashion-MNIST needs 47 MB.
_MOST_UNPACKED = 1 << 30


def read_idx(path: Path, shape: tuple[int | None, ...]) -> NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes, plain or compressed by gzip.

    Parameters
    ----------
    path : Path
        The file. Whether it is compressed is seen from its content, not from its name.
    shape : tuple of int or None
        What the dimensions must be; None allows any positive number.

    Returns
    -------
    ndarray of uint8
        A plain file is mapped into memory, read-only and without a copy. A compressed one is
        unpacked into memory of its own.

    Raises
    ------
    ValueError
        If the file is not IDX, has another shape, is damaged, or is longer or shorter than its
        header says.
    """
    with path.open("rb") as file:
        packed = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
        file.seek(0)
        if not packed:
            return _map(path, file, shape)
        try:
            with gzip.open(file) as unpacked:
                return _unpack(path, cast("IO[bytes]", unpacked), shape)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(f"{path} is a damaged gzip file: {error}") from error


def _map(path: Path, file: IO[bytes], shape: tuple[int | None, ...]) -> NDArray[np.uint8]:
    found = _read_header(path, file, shape)
    start = file.tell()
    _check_length(path, os.fstat(file.fileno()).st_size - start, math.prod(found))
    return np.asarray(np.memmap(file, dtype=np.uint8, mode="r", offset=start, shape=found))


def _unpack(path: Path, file: IO[bytes], shape: tuple[int | None, ...]) -> NDArray[np.uint8]:
    found = _read_header(path, file, shape)
    wanted = math.prod(found)
    if wanted > _MOST_UNPACKED:
        raise ValueError(
            f"{path} claims to hold {wanted:,} bytes unpacked, more than the {_MOST_UNPACKED:,} "
            "that are read from a compressed file"
        )
    data = bytearray()
    # One byte more than wanted, so that a longer file is noticed and a complete one read to its
    # end, where gzip compares the checksum.
    while chunk := file.read(min(_CHUNK, wanted + 1 - len(data))):
        data += chunk
    _check_length(path, len(data), wanted)
    return np.frombuffer(data, dtype=np.uint8).reshape(found)


def _read_header(path: Path, file: IO[bytes], shape: tuple[int | None, ...]) -> tuple[int, ...]:
    length = 4 + 4 * len(shape)
    header = file.read(length)
    magic = bytes([0, 0, _UNSIGNED_BYTE, len(shape)])
    if header[:4] != magic[: len(header)]:
        raise ValueError(
            f"{path} is not an IDX file of unsigned bytes in {len(shape)} dimensions: it begins "
            f"with {header[:4].hex(' ')} instead of {magic.hex(' ')}"
        )
    if len(header) < length:
        raise ValueError(f"{path} ends after {len(header)} bytes, inside its {length}-byte header")
    found = struct.unpack(f">{len(shape)}I", header[4:])
    if any(n == 0 if want is None else n != want for n, want in zip(found, shape, strict=True)):
        wanted = " × ".join("N" if want is None else str(want) for want in shape)
        raise ValueError(f"{path} has shape {' × '.join(map(str, found))}, but needs {wanted}")
    return found


def _check_length(path: Path, found: int, wanted: int) -> None:
    if found < wanted:
        raise ValueError(f"{path} is cut off: {found:,} of {wanted:,} bytes follow its header")
    if found > wanted:
        raise ValueError(f"{path} is longer than the {wanted:,} bytes that its header states")
