"""Damaged files of every kind that is read: models, tables, arrays, IDX.

`corpus/` keeps one small file for every sentence that refuses a model, and good ones; what is
damaged here begins with them. `python -m trust keep` adds those of a new sentence.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import swiftbackprop as sb
from swiftbackprop._cli.read_table import read_table
from swiftbackprop._cli.table import Reading
from swiftbackprop._import.load import read_notes
from swiftbackprop.datasets._idx import read_idx
from trust.calls import Finding, call
from trust.values import Random

CORPUS = Path(__file__).parent / "corpus"
_NUMBERS = ["0", "1", "-1", "7", "2147483648", "9007199254740992", "18446744073709551616", "1e308",
            "1e999", "-0.5", "null", "true", '"x"', "[]", "{}", "[" * 300, "9" * 5000]  # fmt: skip


def case(rng: Random, log: Callable[[str], None], folder: Path) -> None:
    """Damage a file, read it, and use what comes of it."""
    kind = rng.choice([*["model"] * 6, "idx", "table", "array"])
    begin, ending = _START[kind](rng)
    content, told = damaged(begin, rng)
    path = folder / f"file{ending}"
    path.write_bytes(content)
    log(f"{kind}, {told}: {len(content)} bytes, read from {path.name}")
    _READ[kind](path)


def corpus() -> list[Path]:
    """The models that are kept."""
    return sorted(CORPUS.glob("*.safetensors"))


def damaged(content: bytes, rng: Random) -> tuple[bytes, str]:
    """Return a content that is no longer what it was, and how that was done."""
    names = [rng.choice(list(_DAMAGE)) for _ in range(rng.choice([1, 1, 1, 2, 3]))]
    for name in names:
        content = _DAMAGE[name](content, rng)
    return content[: 1 << 20], " and ".join(names)


def _rewritten(content: bytes, rng: Random) -> bytes:
    """A number, a text or a bracket of the header is another one; the header has its length."""
    size = int.from_bytes(content[:8], "little")
    if size > len(content):
        return content
    head = content[8 : 8 + size].decode("utf-8", "replace")
    found = list(re.finditer(r"-?\d+(?:\.\d+)?(?:e-?\d+)?|[a-z_]+|[\[\]{},:]", head))
    if not found:
        return content
    place = rng.choice(found)
    new = rng.choice([rng.choice(_NUMBERS), rng.choice(found).group(), ""])
    raw = (head[: place.start()] + new + head[place.end() :]).encode()
    return len(raw).to_bytes(8, "little") + raw + content[8 + size :]


def _described(content: bytes, rng: Random) -> bytes:
    """A value anywhere in the description is another one, and what is around it is in order."""
    try:
        size = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + size])
        described = json.loads(header["__metadata__"]["swiftbackprop"])
        described.pop("checksum", None)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return content
    place: Any = described
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return content
        key = rng.choice(keys)
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or rng.random() < 0.3:
            break
        place = inner
    if rng.random() < 0.15:
        del place[key]
    else:
        place[key] = rng.choice(
            [0, 1, -1, 2, 2**31, 2**53, 2**64, 10**30, 0.5, -0.5, 1e300, None, True, "", "x",
             "float64", [], {}, [1], [2**40, 2], {"name": "relu"}, "é" * 3000]
        )  # fmt: skip
    header["__metadata__"]["swiftbackprop"] = json.dumps(described)
    raw = json.dumps(header).encode()
    raw += b" " * (-len(raw) % 8)
    return len(raw).to_bytes(8, "little") + raw + content[8 + size :]


def _flipped(content: bytes, rng: Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.randint(1, 4) if changed else 0):
        changed[rng.randrange(len(changed))] = rng.choice([0, 255, 128, rng.randrange(256)])
    return bytes(changed)


def _cut(content: bytes, rng: Random) -> bytes:
    first, last = sorted(rng.randint(0, len(content)) for _ in range(2))
    return content[:first] + content[last:]


def _doubled(content: bytes, rng: Random) -> bytes:
    first, last = sorted(rng.randint(0, len(content)) for _ in range(2))
    return content[:last] + content[first:]


def _spliced(content: bytes, rng: Random) -> bytes:
    """The begin of one file and the end of another."""
    other = rng.choice(corpus()).read_bytes()
    return content[: rng.randint(0, len(content))] + other[rng.randint(0, len(other)) :]


def _resized(content: bytes, rng: Random) -> bytes:
    """Another length of the header, up to more than there is."""
    size: int = 2 ** rng.randint(0, 64) - 1
    return size.to_bytes(8, "little") + content[8:]


def _poisoned(content: bytes, rng: Random) -> bytes:
    bad = np.array(rng.choice([np.nan, np.inf, 3e38]), np.float32).tobytes()
    place = rng.randint(0, max(len(content) - 4, 0))
    return content[:place] + bad + content[place + 4 :]


_DAMAGE: dict[str, Callable[[bytes, Random], bytes]] = {
    "described": _described, "rewritten": _rewritten, "flipped": _flipped, "cut": _cut,
    "doubled": _doubled, "spliced": _spliced, "resized": _resized, "poisoned": _poisoned,
}  # fmt: skip


# --- What is read ------------------------------------------------------------------------


def _model(path: Path) -> None:
    for read in (sb.load, read_notes):
        found = call(read, path)
        if isinstance(found, Exception) and not str(found).startswith(f"{path} is not read: "):
            raise Finding(f"{read.__name__}: {type(found).__name__}: {found}")
        if isinstance(found, sb.Network):
            _use(found, path)


def _use(net: sb.Network, path: Path) -> None:
    if not np.isfinite(net.parameters).all():
        raise Finding("NaN or infinity was read")
    # Weights of a damaged file may be large.
    call(net.predict, np.ones((2, net.sizes[0])))
    again = path.with_name("again")
    saved = call(net.save, again) is None
    if saved and not np.array_equal(sb.load(again).parameters, net.parameters):
        raise Finding("what was read, saved and read again is not the same")


def outcome(path: Path) -> str:
    """What comes of a model: "a network", or the kind of the error and its sentence.

    What was got, numbers, quotations and the words of other libraries are left out of it.
    """
    found = call(sb.load, path)
    if isinstance(found, sb.Network):
        return "a network"
    sentence = str(found).partition(" is not read: ")[2]
    sentence = re.split(r", got |; |: another|\(| in its description", sentence)[0]
    sentence = re.sub(r"'[^']*'|[-+]?[0-9][0-9.e+]*", "…", sentence).strip()
    return f"{type(found).__name__}: {sentence[:100]}"


def _table(path: Path) -> None:
    found = call(read_table, str(path), Reading())
    if isinstance(found, OverflowError):
        raise Finding(f"{type(found).__name__}: {found}")


def _idx(path: Path) -> None:
    found = call(read_idx, path, (None, 4, 4))
    if isinstance(found, np.ndarray):
        int(found.sum())


_READ = {"model": _model, "table": _table, "array": _table, "idx": _idx}


def _idx_begin(rng: Random) -> tuple[bytes, str]:
    content = bytes([0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 4]) + bytes(range(48))
    return (gzip.compress(content, mtime=0) if rng.random() < 0.5 else content), ""


def _table_begin(rng: Random) -> tuple[bytes, str]:
    lines = ["a;b;c", "1;2,5;x", "2;3,5;'y'", '3;;"z;z"', "# no", "4;-1;é"]
    text = "\n".join(lines).replace(";", rng.choice(";\t,| "))
    return text.encode(rng.choice(["utf-8", "latin-1", "utf-16", "utf-8-sig"])), ".csv"


def _array_begin(rng: Random) -> tuple[bytes, str]:
    import io

    with io.BytesIO() as made:
        if rng.random() < 0.5:
            np.save(made, np.ones((3, 2), np.float32))
            return made.getvalue(), ".npy"
        np.savez_compressed(made, X=np.ones((3, 2)), y=np.zeros(3, int))
        return made.getvalue(), ".npz"


_START: dict[str, Callable[[Random], tuple[bytes, str]]] = {
    "model": lambda rng: (rng.choice(corpus()).read_bytes(), ""),
    "idx": _idx_begin, "table": _table_begin, "array": _array_begin,
}  # fmt: skip
