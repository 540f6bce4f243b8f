"""The digits that the package carries, and Fashion-MNIST as files that may hold anything."""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
import tracemalloc
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import refused

NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
IMAGES, LABELS = NAMES[:2]


def sha256(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


# --- digits ---------------------------------------------------------------------------------


def test_digits_shapes_types_and_ranges() -> None:
    digits = sb.datasets.load_digits()
    assert digits.X_train.shape == (1198, 64)
    assert digits.X_test.shape == (599, 64)
    assert digits.y_train.shape == (1198,)
    assert digits.y_test.shape == (599,)
    for X, y in ((digits.X_train, digits.y_train), (digits.X_test, digits.y_test)):
        assert X.dtype == np.float32
        assert y.dtype == np.int64
        assert X.min() == 0
        assert X.max() == 1
        assert X.flags.c_contiguous
        assert X.flags.writeable
        assert np.array_equal(np.unique(y), np.arange(10))
    assert digits.image_shape == (8, 8)
    assert digits.class_names == tuple("0123456789")
    assert "10.24432/C50P49" in digits.description
    assert "CC BY 4.0" in digits.description


def test_digits_unscaled_are_the_counts() -> None:
    counts, scaled = sb.datasets.load_digits(scale=False), sb.datasets.load_digits()
    assert counts.X_train.dtype == counts.X_test.dtype == np.uint8
    assert counts.X_train.max() == 16
    assert np.array_equal(counts.X_train, scaled.X_train * 16)
    assert np.array_equal(counts.X_test, scaled.X_test * 16)


def test_digits_third_is_stratified_and_shuffled() -> None:
    digits = sb.datasets.load_digits()
    every = np.bincount(digits.y_train) + np.bincount(digits.y_test)
    assert every.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert np.all(np.abs(np.bincount(digits.y_test) - every / 3) <= 1)
    with (files("swiftbackprop.datasets") / "digits.npz").open("rb") as file:
        stored = np.load(file)
        train, test = stored["train"], stored["test"]
    assert np.array_equal(np.sort(np.concatenate([train, test])), np.arange(1797))
    for part in (train, test):
        rank_correlation = np.corrcoef(part, np.arange(len(part)))[0, 1]
        assert abs(rank_correlation) < 0.1


def test_digits_are_the_published_ones() -> None:
    digits = sb.datasets.load_digits(scale=False)
    assert {
        name: sha256(getattr(digits, name)) for name in ("X_train", "y_train", "X_test", "y_test")
    } == {
        "X_train": "2112188f37218aaa99328ad74afd2e4dee10363753e516b2dfbc957b8607badb",
        "y_train": "845a0b6a125de95691045eed3012badb3f470e2616e4b9906397145701ae97a0",
        "X_test": "c59ed5d3b589730970a328ff2d4d65b078d164360cb43ae9df96338330c5870e",
        "y_test": "7649884c123d450bc2ec854c6df0aa141f7fffeba5b3d9782b0815b6401d2b8e",
    }


def test_digits_are_scikit_learns() -> None:
    theirs = pytest.importorskip("sklearn.datasets").load_digits()
    with (files("swiftbackprop.datasets") / "digits.npz").open("rb") as file:
        stored = np.load(file)
        assert np.array_equal(stored["images"], theirs.images)
        assert np.array_equal(stored["labels"], theirs.target)


def test_digits_come_with_their_licence() -> None:
    note = (files("swiftbackprop.datasets") / "digits-LICENCE.txt").read_text("utf-8")
    for words in (
        "E. Alpaydin and C. Kaynak",
        "https://doi.org/10.24432/C50P49",
        "https://creativecommons.org/licenses/by/4.0/",
        "What was changed",
    ):
        assert words in note


@pytest.mark.parametrize("load", [sb.datasets.load_digits, sb.datasets.load_fashion_mnist])
def test_wrong_arguments_are_refused(load: Any) -> None:
    refused(lambda: load(scale=16), TypeError, "scale must be True or False, got 16")
    if load is sb.datasets.load_fashion_mnist:
        refused(lambda: load(3), TypeError, "folder must be a str or a Path, got 3")


def test_every_call_gives_arrays_of_its_own() -> None:
    first, second = sb.datasets.load_digits(), sb.datasets.load_digits()
    first.X_train[:] = 7
    assert second.X_train.max() == 1


def test_dataset_is_frozen_and_its_repr_short() -> None:
    digits = sb.datasets.load_digits()
    with pytest.raises(AttributeError):
        digits.X_train = digits.X_test  # type: ignore[misc]
    assert repr(digits) == (
        "Dataset(1198 training and 599 test images of 8 × 8 pixels, float32, 10 classes)"
    )


# --- Fashion-MNIST: files made here -----------------------------------------------------------


def idx(
    array: np.ndarray, *, type_code: int = 8, dimensions: tuple[int, ...] | None = None
) -> bytes:
    shape = array.shape if dimensions is None else dimensions
    head = bytes([0, 0, type_code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    return head + array.astype(np.uint8).tobytes()


def some_images(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, 28, 28), dtype=np.uint8)


def write(folder: Path, *, packed: bool = False, **replaced: bytes) -> Path:
    """Write the four files; `replaced` gives others by the first word of their name."""
    contents = {
        "train-images-idx3-ubyte": idx(some_images(12)),
        "train-labels-idx1-ubyte": idx(np.arange(12) % 10),
        "t10k-images-idx3-ubyte": idx(some_images(5)),
        "t10k-labels-idx1-ubyte": idx(np.arange(5)),
    }
    contents |= {NAMES[("images", "labels").index(name)]: data for name, data in replaced.items()}
    for name, data in contents.items():
        path = folder / (f"{name}.gz" if packed else name)
        path.write_bytes(gzip.compress(data) if packed else data)
    return folder


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_fashion_mnist_reads_plain_and_gzip(tmp_path: Path, packed: bool) -> None:
    data = sb.datasets.load_fashion_mnist(write(tmp_path, packed=packed))
    assert data.X_train.shape == (12, 784)
    assert data.X_test.shape == (5, 784)
    assert data.X_train.dtype == np.float32
    assert data.y_train.dtype == np.int64
    wanted = some_images(12).reshape(12, 784).astype(np.float32) / np.float32(255)
    assert np.array_equal(data.X_train, wanted)
    assert data.y_test.tolist() == [0, 1, 2, 3, 4]
    assert data.image_shape == (28, 28)
    assert len(data.class_names) == 10
    assert data.class_names[9] == "Ankle boot"


def test_fashion_mnist_goes_by_content_not_by_name(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / IMAGES).write_bytes(gzip.compress(idx(some_images(12))))
    (tmp_path / LABELS).rename(tmp_path / f"{LABELS}.gz")
    assert len(sb.datasets.load_fashion_mnist(tmp_path).X_train) == 12


def test_fashion_mnist_unscaled_is_mapped_not_copied(tmp_path: Path) -> None:
    data = sb.datasets.load_fashion_mnist(write(tmp_path), scale=False)
    assert data.X_train.dtype == np.uint8
    assert np.array_equal(data.X_train, some_images(12).reshape(12, 784))
    assert not data.X_train.flags.writeable
    owner: Any = data.X_train
    while isinstance(owner, np.ndarray) and not isinstance(owner, np.memmap):
        owner = owner.base
    assert isinstance(owner, np.memmap)


def test_fashion_mnist_unscaled_from_gzip(tmp_path: Path) -> None:
    data = sb.datasets.load_fashion_mnist(write(tmp_path, packed=True), scale=False)
    assert data.X_train.dtype == np.uint8
    assert np.array_equal(data.X_train, some_images(12).reshape(12, 784))


def test_fashion_mnist_finds_the_folder_of_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWIFTBACKPROP_DATA", str(write(tmp_path)))
    assert len(sb.datasets.load_fashion_mnist().X_train) == 12
    with pytest.raises(FileNotFoundError):
        sb.datasets.load_fashion_mnist(tmp_path / "elsewhere")  # an argument comes first


def test_fashion_mnist_absent_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWIFTBACKPROP_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError) as caught:
        sb.datasets.load_fashion_mnist()
    message = str(caught.value)
    assert "\n" not in message
    for words in (str(tmp_path), IMAGES, "apt install dataset-fashion-mnist", "SWIFTBACKPROP_DATA"):
        assert words in message


def test_fashion_mnist_one_file_absent_is_named(tmp_path: Path) -> None:
    (write(tmp_path) / NAMES[3]).unlink()
    with pytest.raises(FileNotFoundError, match=NAMES[3]):
        sb.datasets.load_fashion_mnist(tmp_path)


def test_a_pipe_in_place_of_a_file_does_not_hang(tmp_path: Path) -> None:
    (write(tmp_path) / IMAGES).unlink()
    os.mkfifo(tmp_path / IMAGES)
    with pytest.raises(FileNotFoundError, match=IMAGES):
        sb.datasets.load_fashion_mnist(tmp_path)


# --- Fashion-MNIST: files that are wrong ------------------------------------------------------

GOOD = idx(some_images(12))
HUGE = 2**32 - 1
WRONG = {
    "empty": (b"", "ends after 0 bytes, inside its 16-byte header"),
    "short header": (GOOD[:9], "ends after 9 bytes, inside its 16-byte header"),
    "not IDX": (b"P5 28 28 255\n" + bytes(999), "begins with 50 35 20 32 instead of 00 00 08 03"),
    "text": (b"<html>", "not an IDX file"),
    "floats": (idx(some_images(12), type_code=0x0D), "begins with 00 00 0d 03"),
    "labels": (idx(np.arange(12) % 10), "begins with 00 00 08 01"),
    "no images": (idx(some_images(12), dimensions=(0, 28, 28)), "has shape 0 × 28 × 28"),
    "other size": (idx(np.zeros((12, 32, 32))), "shape 12 × 32 × 32, but needs N × 28 × 28"),
    "every dimension huge": (
        idx(some_images(1), dimensions=(HUGE,) * 3),
        f"has shape {HUGE} × {HUGE} × {HUGE}",
    ),
    "cut off": (GOOD[:-1], "cut off: 9,407 of 9,408 bytes"),
    "too long": (GOOD + b"\0", "longer than the 9,408 bytes"),
    "header claims more": (idx(some_images(12), dimensions=(1000, 28, 28)), "of 784,000 bytes"),
}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize(("data", "words"), WRONG.values(), ids=WRONG.keys())
def test_wrong_files_are_refused(tmp_path: Path, data: bytes, words: str, packed: bool) -> None:
    with pytest.raises(ValueError, match="images-idx3") as caught:
        sb.datasets.load_fashion_mnist(write(tmp_path, packed=packed, images=data))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_a_header_allocates_nothing(tmp_path: Path, packed: bool) -> None:
    write(tmp_path, packed=packed, images=idx(some_images(1), dimensions=(HUGE, 28, 28)))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"claims to hold 3,367|cut off: 784 of 3,367"):
            sb.datasets.load_fashion_mnist(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


def test_gzip_is_not_unpacked_beyond_what_the_header_says(tmp_path: Path) -> None:
    bomb = idx(some_images(12)) + bytes(2**27)
    write(tmp_path, packed=True, images=bomb)
    del bomb
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="longer than the 9,408 bytes"):
            sb.datasets.load_fashion_mnist(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


def test_damaged_gzip_is_refused(tmp_path: Path) -> None:
    packed = gzip.compress(GOOD)
    flipped = bytearray(packed)
    flipped[-6] ^= 0xFF  # the checksum
    broken = bytearray(packed)
    broken[40:48] = b"\xff" * 8  # the stream itself
    for data in (packed[:-20], packed[:5], bytes(flipped), bytes(broken), packed + b"behind"):
        write(tmp_path, packed=True)
        (tmp_path / f"{IMAGES}.gz").write_bytes(data)
        with pytest.raises(ValueError, match="images-idx3"):
            sb.datasets.load_fashion_mnist(tmp_path)


def test_labels_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"12 images, but .* 11 labels"):
        sb.datasets.load_fashion_mnist(write(tmp_path, labels=idx(np.arange(11) % 10)))
    with pytest.raises(ValueError, match="holds the label 11, but the classes are 0 to 9"):
        sb.datasets.load_fashion_mnist(write(tmp_path, labels=idx(np.arange(12))))


def test_random_files_give_an_array_or_a_clear_error(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    write(tmp_path)
    messages = []
    for _ in range(300):
        data = bytearray(GOOD if rng.random() < 0.5 else gzip.compress(GOOD))
        for _ in range(int(rng.integers(1, 4))):
            data[int(rng.integers(0, min(len(data), 64)))] = int(rng.integers(0, 256))
        (tmp_path / IMAGES).write_bytes(data[: int(rng.integers(0, len(data) + 1))])
        try:
            assert sb.datasets.load_fashion_mnist(tmp_path).X_train.shape == (12, 784)
        except ValueError as error:
            messages.append(str(error))
    assert len(messages) > 250
    assert all(IMAGES in message and "\n" not in message for message in messages)
