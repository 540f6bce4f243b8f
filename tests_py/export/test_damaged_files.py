"""Files that are not what they say."""

from __future__ import annotations

import copy
import json
import os
import pickle
import random
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import ROOT, refused, run_python_ok
from model_files import description_of, joined, small, split, unsigned, with_description
from swiftbackprop._export import files
from swiftbackprop._import.load import read_notes

pytest.importorskip("safetensors")
hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies


def read(content: bytes, folder: Path) -> Any:
    """Load what may be anything: a network, or one of the errors that are promised."""
    path = folder / "file"
    path.write_bytes(content)
    try:
        return sb.load(path)
    except (ValueError, MemoryError) as caught:
        error = caught
    assert str(error).startswith(f"{path} is not read: "), error
    assert len(str(error)) < 1000
    return None


@hypothesis.given(data=st.data())
@hypothesis.settings(max_examples=100)
def test_truncated_files(data: Any, good: bytes, tmp_path_factory: Any) -> None:
    cut = data.draw(st.integers(0, len(good) - 1))
    assert read(good[:cut], tmp_path_factory.getbasetemp()) is None


@hypothesis.given(data=st.data())
@hypothesis.settings(max_examples=300)
def test_flipped_bytes(data: Any, good: bytes, tmp_path_factory: Any) -> None:
    """They are found by the checksum; without one they may change a number."""
    signed = data.draw(st.booleans())
    before = good if signed else unsigned(good)
    content = bytearray(before)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    net = read(bytes(content), tmp_path_factory.getbasetemp())
    assert net is None or content == before or not signed
    if net is not None:
        assert net.parameters.shape == (net.n_parameters,)
        assert np.isfinite(net.parameters).all()


def test_any_flipped_bit_is_found(good: bytes, tmp_path: Path) -> None:
    """One of every byte of the file; what is said of those in the arrays."""
    path = tmp_path / "file"
    start = 8 + int.from_bytes(good[:8], "little")
    for place in range(len(good)):
        content = bytearray(good)
        content[place] ^= 1 << place % 8
        path.write_bytes(content)
        message = "it is damaged: its content" if place >= start else ""
        refused(lambda: sb.load(path), ValueError, "is not read", message)


def test_notes_that_look_like_a_checksum(tmp_path: Path) -> None:
    path = tmp_path / "file"
    notes = {"note": '"checksum": "01234567"', "checksum": "89abcdef"}
    files.save(small(), path, True, True, notes)
    assert read_notes(path) == notes
    assert sb.load(path).sizes == (2, 2, 1)


def test_the_checksum_is_the_documented_one(good: bytes, tmp_path: Path) -> None:
    said = description_of(good)["checksum"]
    assert good.count(said.encode()) == 1
    assert said == f"{zlib.crc32(good.replace(said.encode(), b'00000000')):08x}"
    header, body = split(good)  # other programs write no checksum, and in another order
    described = json.loads(header["__metadata__"]["swiftbackprop"])
    del described["checksum"]
    header["__metadata__"]["swiftbackprop"] = json.dumps(described, sort_keys=True, indent=1)
    (tmp_path / "file").write_bytes(joined(header, body))
    np.testing.assert_array_equal(sb.load(tmp_path / "file").parameters, small().parameters)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@hypothesis.given(data=st.data())
@hypothesis.settings(max_examples=200)
def test_any_value_anywhere_in_the_description(
    data: Any, good: bytes, tmp_path_factory: Any
) -> None:
    described = description_of(good)
    place: Any = described
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(JSON)
    net = read(with_description(good, described), tmp_path_factory.getbasetemp())
    assert net is None or net.sizes == (2, 2, 1)


@hypothesis.given(content=st.binary(max_size=200))
def test_any_bytes(content: bytes, tmp_path_factory: Any) -> None:
    assert read(content, tmp_path_factory.getbasetemp()) is None


HOSTILE: dict[str, tuple[Callable[[Any], Any], str]] = {
    "unknown rule": (lambda d: d["loss"].update(name="os.system"), "unknown loss 'os.system'"),
    "unknown optimizer": (lambda d: d["optimizer"].update(name="evil"), "unknown optimizer"),
    "long name": (lambda d: d["loss"].update(name="x" * 10**6), "name must have at most"),
    "unknown parameter": (
        lambda d: d["activations"][0]["parameters"].update(beta=1),
        "unexpected keyword argument 'beta'"),
    "NaN": (lambda d: d.update(l1=float("nan")), "NaN is not allowed"),
    "infinity": (lambda d: d["optimizer"]["parameters"].update(lr=1e999), "Infinity"),
    "negative rate": (lambda d: d["optimizer"]["parameters"].update(lr=-1), "lr"),
    "text for a number": (lambda d: d.update(l2="0"), "l2 must be a number, got '0'"),
    "bool for a number": (lambda d: d.update(l2=True), "l2 must be a number, got True"),
    "huge sizes": (lambda d: d.update(sizes=[2**31 - 1] * 3), r"layers\.1\.W: expected shape"),
    "absurd sizes": (lambda d: d.update(sizes=[10**30, 2, 1]), r"sizes\[0\]"),
    "negative sizes": (lambda d: d.update(sizes=[-2, 2, 1]), r"sizes\[0\]"),
    "many layers": (lambda d: d.update(sizes=[1] * 10**5), "activation: expected"),
    "no sizes": (lambda d: d.pop("sizes"), "sizes is missing"),
    "no layers": (lambda d: d.update(sizes=[], activations=[]), "activations must not be empty"),
    "other dtype": (lambda d: d.update(dtype="float64"), r"\.1\.W: expected dtype F64, got F32"),
    "strange dtype": (lambda d: d.update(dtype="O,O,(9999999,)f8"), "dtype must be"),
    "future": (lambda d: d.update(version=2), "another version"),
    "surplus": (lambda d: d.update(run="rm -rf"), "unknown fields of its description: .*run"),
    "steps": (lambda d: d.update(steps=-1), "steps must be an int in .*, got -1"),
    "many steps": (lambda d: d.update(steps=10**400), r"steps must be an int in 0\.\."),
    "no steps": (lambda d: d.pop("steps"), "expected 4 tensors, got 6"),
    "option": (lambda d: d["options"].update(run=1), "unknown option 'run'"),
    "trainable in part": (lambda d: d["options"].update({"trainable.1": 0.5}), "must be 0 or 1"),
    "shares": (lambda d: d["options"].update(shares_penalties=-1), "must be 0 or 1"),
    "no scale": (lambda d: d["options"].update(input_scale=0), "input_scale must be a finite"),
    "dropout": (lambda d: d["options"].update({"dropout.2": 1}), r"in \[0, 1\)"),
    "dropout of no layer": (lambda d: d["options"].update({"dropout.3": 0.5}), "unknown option"),
    "dropout of X": (lambda d: d["options"].update({"dropout.0": 0.5}), "unknown option"),
    "max_norm": (lambda d: d["options"].update(max_norm=-1), "max_norm"),
    "huge option": (lambda d: d["options"].update(shares_penalties=10**400), "too large"),
    "notes": (lambda d: d.update(notes={"table": 3}), "table must be a str, got 3"),
    "zero generator": (lambda d: d.update(generator=["0" * 16] * 4), "not all zero"),
    "short generator": (lambda d: d.update(generator=["1" * 16] * 3), "generator must be"),
    "strange generator": (lambda d: d.update(generator=["-" + "1" * 15] * 4), "generator must be"),
    "seed": (lambda d: d.update(seed="99999999999999999999"), "seed must be an int in"),
    "strange seed": (lambda d: d.update(seed="²"), "seed must be the digits"),
    "other optimizer": (lambda d: d.update(optimizer={"name": "sgd", "parameters": {}}), "tensors"),
}  # fmt: skip


@pytest.mark.parametrize("what", list(HOSTILE))
def test_hostile_descriptions(what: str, good: bytes, tmp_path: Path) -> None:
    change, pattern = HOSTILE[what]
    described = description_of(good)
    change(described)
    (tmp_path / "file").write_bytes(with_description(good, described))
    message = refused(lambda: sb.load(tmp_path / "file"), ValueError, "is not read", pattern)
    assert len(message) < 700


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("", "damaged"),
        ("{", "damaged"),
        ("[]", "is not a JSON object"),
        ("[" * 10**5, "damaged"),
        ('{"version": 1, "sizes": ' + "[" * 900 + "]" * 900 + "}", "missing|damaged"),
        ('{"version": ' + "9" * 10**5 + "}", "damaged"),
        ('{"version": 1}', "is missing"),
        ('"text"', "is not a JSON object"),
    ],
)
def test_descriptions_that_are_none(text: str, pattern: str, good: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(with_description(good, text))
    refused(lambda: sb.load(tmp_path / "file"), ValueError, "is not read", pattern)


def test_hostile_tensors(good: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"

    def reads(content: bytes, pattern: str) -> None:
        path.write_bytes(content)
        refused(lambda: sb.load(path), ValueError, "is not read", pattern)

    header, body = split(unsigned(good))
    reads(joined(header, body + b"more"), "damaged")
    reads((2**63 - 1).to_bytes(8, "little") + good[8:], "no safetensors file.*header takes 9")
    reads(joined(b"[" * 10**5, body), "damaged")
    for name, value in {"dtype": "F64", "shape": [2**40, 2**40], "data_offsets": [8, 0]}.items():
        changed = copy.deepcopy(header)
        changed["layers.1.W"][name] = value
        reads(joined(changed, body), "damaged")
    changed = copy.deepcopy(header)
    changed["layers.1.W"]["shape"] = [4]
    reads(joined(changed, body), r"layers\.1\.W: expected shape .*got \(4,\)")
    changed = copy.deepcopy(header)
    changed["layers.1.W"]["dtype"] = "I32"
    reads(joined(changed, body), "expected dtype .*, got I32")
    changed = copy.deepcopy(header)
    changed["other"] = changed.pop("layers.1.W")
    reads(joined(changed, body), r"layers\.1\.W is missing")
    place = header["layers.2.W"]["data_offsets"][0]
    nan = np.float32(np.nan).tobytes()
    reads(joined(header, body[:place] + nan + body[place + 4 :]), r"layers\.2\.W contains NaN")
    del header["__metadata__"]
    reads(joined(header, body), "no description of a network.*load_state_dict")


def test_a_network_larger_than_the_memory_is_refused_before_it_is_made(tmp_path: Path) -> None:
    """A file of 1 TB, which is one hole."""
    rows, cols = 2**20, 2**18
    net = sb.Network([1, 1], seed=0)
    net.save(tmp_path / "net", optimizer=False)
    described = description_of((tmp_path / "net").read_bytes())
    described["sizes"] = [cols, rows]  # the checksum is not looked at before there is memory
    end = 4 * rows * cols
    header = {
        "__metadata__": {"swiftbackprop": json.dumps(described)},
        "layers.1.W": {"dtype": "F32", "shape": [rows, cols], "data_offsets": [0, end]},
        "layers.1.b": {"dtype": "F32", "shape": [rows], "data_offsets": [end, end + 4 * rows]},
    }
    path = tmp_path / "huge"
    head = joined(header, b"")
    path.write_bytes(head)
    os.truncate(path, len(head) + end + 4 * rows)
    refused(lambda: sb.load(path), MemoryError, "huge is not read.*memory")


FUZZ = f"""
    import pathlib, resource, sys
    sys.path.insert(0, {str(ROOT)!r})
    import test_damaged_files
    import trust.files

    folder, seed = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    # What the interpreter has now, and a quarter of a gigabyte.
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + 2**28
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    print(*test_damaged_files.fuzz(folder / "file", seed, 400))
"""


def fuzz(path: Path, seed: int, times: int) -> list[int]:
    """Load a file that was damaged in one way after the other; return what came of it."""
    from trust.files import damaged

    rng = random.Random(seed)
    (small(norm="batch") if seed % 2 else small()).save(path)
    good = unsigned(path.read_bytes())
    outcomes = [0, 0]
    for _ in range(times):
        content, _ = damaged(good, rng)
        net = read(content, path.parent)
        outcomes[net is None] += 1
        if net is not None:
            assert np.isfinite(net.parameters).all()
            assert net.predict(np.ones((1, net.sizes[0]))).shape == (1, net.sizes[-1])
    return outcomes


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of memory is Linux' own")
@pytest.mark.parametrize("seed", range(2))
def test_damaged_files_with_little_memory(seed: int, tmp_path: Path) -> None:
    """Every one is a network or an error that names the file; the process lives."""
    if not (ROOT / "trust").exists():
        pytest.skip("trust/ is not part of an installation")
    pytest.importorskip("pandas")
    good, bad = map(int, run_python_ok(FUZZ, str(tmp_path), str(seed)).split())
    assert good + bad == 400
    assert bad > 250
    assert good > 3


def test_files_of_other_kinds_say_what_reads_them(tmp_path: Path) -> None:
    array = np.ones(3)
    np.savez(tmp_path / "arrays.npz", array)
    np.save(tmp_path / "array.npy", array)
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(small()))
    (tmp_path / "model.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    for name, words in {
        "arrays.npz": r"zip archive.*sb\.from_torch",
        "array.npy": r"an array: np\.load",
        "model.pkl": r"a pickle: pickle\.load",
        "model.h5": "an HDF5 file",
    }.items():
        refused(lambda name=name: sb.load(tmp_path / name), ValueError, "is not read", words)


def test_large_headers_are_not_read(good: bytes, tmp_path: Path) -> None:
    """What JSON makes of sixteen million bytes is a limit of memory and time."""
    path = tmp_path / "file"
    header, body = split(good)
    header["pad"] = " " * 2**24
    path.write_bytes(joined(header, body))
    refused(lambda: sb.load(path), ValueError, "is not read.*header takes 1677")
    notes = {"long": "x" * 2**24}
    refused(lambda: files.save(small(), path, True, True, notes), ValueError, "too long for a")
    assert path.read_bytes() == joined(header, body)
    assert len(list(tmp_path.iterdir())) == 1


def test_names_that_come_twice(good: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    header, body = split(good)
    text = json.dumps(header)
    twice = text[:-1] + ', "__metadata__": {}}'
    path.write_bytes(joined(twice.encode(), body))
    refused(lambda: sb.load(path), ValueError, "is not read.*__metadata__")
    described = json.dumps(description_of(good))
    for more in ('"l1": 0.5', '"options": {"max_norm": 1, "max_norm": 2}'):
        path.write_bytes(with_description(good, f"{described[:-1]}, {more}}}"))
        refused(lambda: sb.load(path), ValueError, "is not read.*duplicate name")


@pytest.mark.parametrize("notes", [3, [], {"table": None}])
def test_notes_that_are_none_are_refused_with_the_file(
    notes: Any, good: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(with_description(good, {**description_of(good), "notes": notes}))
    for reading in (sb.load, read_notes):
        refused(lambda read=reading: read(path), ValueError, "file is not read: .*must be a")


def test_what_is_no_file(tmp_path: Path) -> None:
    refused(lambda: sb.load(tmp_path / "none"), FileNotFoundError, "none")
    refused(lambda: sb.load(tmp_path), ValueError, "no regular file")
    refused(lambda: sb.load("/dev/zero"), ValueError, "no regular file")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("pipe", "link"):
        refused(lambda name=name: sb.load(tmp_path / name), ValueError, name, "no regular file")
    refused(lambda: sb.load(tmp_path / "loop"), OSError, "loop")
    small().save(tmp_path / "net")
    (tmp_path / "good").symlink_to("net")
    assert sb.load(tmp_path / "good").sizes == (2, 2, 1)
    refused(lambda: sb.load(3), TypeError, "path|str")  # type: ignore[arg-type]
