"""The demo as its users run it, and the accuracies it promises."""

from __future__ import annotations

import gzip
import os
import re
import signal
import statistics
import struct
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import said_by
from swiftbackprop import demo

PNG = b"\x89PNG\r\n\x1a\n"


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "swiftbackprop.demo", *arguments]


def start(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the demo in a process of its own."""
    return subprocess.run(
        command(*arguments),
        cwd=folder,
        env=os.environ | {"MPLCONFIGDIR": str(folder / "matplotlib")} | variables,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )


run = partial(said_by, demo.main)


def picture_size(path: Path) -> tuple[int, int]:
    data = path.read_bytes()
    assert data.startswith(PNG)
    assert data.endswith(b"IEND\xaeB`\x82")
    width, height = struct.unpack(">2I", data[16:24])
    return width, height


def sentence(ended: subprocess.CompletedProcess[str], status: int) -> str:
    """The one line that the demo wrote to stderr when it ended with `status`."""
    assert ended.returncode == status, ended.stderr
    assert "Traceback" not in ended.stderr
    lines = ended.stderr.strip().splitlines()
    assert len(lines) == 1, ended.stderr
    return lines[0]


@pytest.fixture
def matplotlib() -> None:
    pytest.importorskip("matplotlib")


# --- the good path ----------------------------------------------------------------------------


@pytest.mark.usefixtures("matplotlib")
def test_digits_by_default(tmp_path: Path) -> None:
    ended = start(tmp_path)
    assert ended.returncode == 0, ended.stderr
    images, network, result, where = ended.stdout.splitlines()
    assert images.startswith("UCI handwritten digits: ")
    assert images.endswith(" 599 to test")
    assert network.startswith("Network 64-128-64-10, 17,226 parameters: 40 epochs ")
    found = re.fullmatch(r"Test accuracy (0\.\d{4}), trained in (\d+\.\d\d) seconds", result)
    assert found is not None
    assert float(found[1]) > 0.96
    path = tmp_path / "swiftbackprop-demo-digits.png"
    assert where == f"Picture: {path.resolve()}"
    width, height = picture_size(path)
    assert width > height > 900
    assert "100%" in ended.stderr  # the progress bar
    assert {p.name for p in tmp_path.iterdir()} <= {path.name, "matplotlib"}


@pytest.mark.usefixtures("matplotlib")
def test_output_epochs_and_seed(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    arguments = ("digits", "--output", "new/a b.png", "--epochs", "3", "--seed", "1")
    first, again = run(tmp_path, *arguments), run(tmp_path, *arguments)
    assert first.returncode == again.returncode == 0, first.stderr
    picture_size(tmp_path / "new" / "a b.png")
    assert "3 epochs" in first.stdout
    accuracies = [re.findall(r"accuracy (\S+),", ended.stdout) for ended in (first, again)]
    assert accuracies[0] == accuracies[1]


@pytest.mark.usefixtures("matplotlib")
def test_fashion_mnist_from_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    for part, count in (("train", 30), ("t10k", 7)):
        y = np.arange(count, dtype=np.uint8) % 10
        X = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        images = bytes([0, 0, 8, 3]) + struct.pack(">3I", count, 28, 28) + X.tobytes()
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(images)
        labels = bytes([0, 0, 8, 1]) + struct.pack(">I", count) + y.tobytes()
        (tmp_path / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    monkeypatch.setenv("SWIFTBACKPROP_DATA", str(tmp_path))
    ended = run(tmp_path, "fashion-mnist", "--epochs", "1")
    assert ended.returncode == 0, ended.stderr
    assert "27 images to train on, 3 to validate, 7 to test" in ended.stdout
    picture_size(tmp_path / "swiftbackprop-demo-fashion-mnist.png")


def test_seed_decides_the_first_weights() -> None:
    settings = demo.SETTINGS["digits"]
    X = settings.load().X_test
    first, again, other = (demo.network(settings, seed).predict(X) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_help(tmp_path: Path) -> None:
    ended = run(tmp_path, "--help")
    assert ended.returncode == 0
    for words in ("digits", "fashion-mnist", "--output", "--epochs", "--seed", "--help"):
        assert words in ended.stdout


# --- what goes wrong ends in one sentence -----------------------------------------------------


@pytest.mark.usefixtures("matplotlib")
def test_fashion_mnist_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWIFTBACKPROP_DATA", str(tmp_path))
    ended = run(tmp_path, "fashion-mnist")
    assert "apt install dataset-fashion-mnist" in sentence(ended, 1)


@pytest.mark.usefixtures("matplotlib")
def test_fashion_mnist_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for part in ("train", "t10k"):
        for kind in ("images-idx3", "labels-idx1"):
            (tmp_path / f"{part}-{kind}-ubyte").write_bytes(b"nothing")
    monkeypatch.setenv("SWIFTBACKPROP_DATA", str(tmp_path))
    ended = run(tmp_path, "fashion-mnist")
    assert "is not an IDX file" in sentence(ended, 1)


def test_matplotlib_missing_is_said_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    ended = run(tmp_path)
    assert sentence(ended, 1) == "The picture needs matplotlib: pip install matplotlib"
    assert ended.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["letters"], "invalid choice: 'letters'"),
        (["--epochs", "0"], "must be an int >= 1, got '0'"),
        (["--epochs", "many"], "must be an int >= 1, got 'many'"),
        (["--seed", "-1"], "must be an int >= 0, got '-1'"),
        (["--output", "nowhere/picture.png"], "a folder that exists"),
        (["--output", "picture.svg"], "name a .png file"),
    ],
)
def test_wrong_arguments(tmp_path: Path, arguments: list[str], words: str) -> None:
    ended = run(tmp_path, *arguments)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.usefixtures("matplotlib")
def test_picture_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    ended = run(tmp_path, "--epochs", "1", "--output", "folder.png")
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("The picture could not be written: ")
    assert "Traceback" not in ended.stderr
    assert [p.name for p in tmp_path.glob("*.part")] == []


@pytest.mark.usefixtures("matplotlib")
def test_ctrl_c_ends_in_one_sentence(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command("--epochs", "1000000"),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        # Started in the background, Python would ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert process.stderr is not None
        shown = b""
        while b"accuracy=" not in shown:  # the progress bar of the second epoch
            more = process.stderr.read(1024)
            assert more, f"training was over before Ctrl-C: {shown!r}"
            shown += more
        process.send_signal(signal.SIGINT)
        errors = (shown + process.communicate(timeout=120)[1]).decode()
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert "Traceback" not in errors
    last = errors.strip().splitlines()[-1]
    # The network is still usable: it is asked for its accuracy after the interrupt.
    assert re.fullmatch(r"Stopped by Ctrl-C with a test accuracy of 0\.\d{4}\.", last), errors
    assert list(tmp_path.glob("*.png")) == []


# --- the accuracies that are promised ---------------------------------------------------------


def trained(name: str, seed: int) -> float:
    settings = demo.SETTINGS[name]
    data = settings.load()
    net = demo.network(settings, seed)
    demo.train(net, settings, data, settings.epochs, progress=False)
    accuracy: float = net.evaluate(data.X_test, data.y_test)["accuracy"]
    return accuracy


def test_digits_reach_097_as_the_median_of_five_seeds() -> None:
    accuracies = [trained("digits", seed) for seed in range(5)]
    assert statistics.median(accuracies) >= 0.97, accuracies


# --- the picture ------------------------------------------------------------------------------


@pytest.mark.usefixtures("matplotlib")
@pytest.mark.parametrize(("wrong", "epochs"), [(0, 1), (3, 2), (599, 40)])
def test_any_result_can_be_drawn(tmp_path: Path, epochs: int, wrong: int) -> None:
    data = sb.datasets.load_digits()
    predicted = data.y_test.copy()
    predicted[:wrong] = (predicted[:wrong] + 1) % 10
    falling: Any = [1 / (epoch + 1) for epoch in range(epochs)]
    history = dict.fromkeys(("loss", "accuracy", "val_loss", "val_accuracy"), falling)
    result = demo.Result(demo.SETTINGS["digits"], data, history, predicted, 1 - wrong / 599, 0.2)
    figure = demo.draw(result)
    texts = [text.get_text() for text in figure.texts]
    assert any(text.startswith(f"Wrong: {wrong} of 599") for text in texts)
    charts, images = figure.axes[:2], figure.axes[2:]
    assert [axes.get_title("left") for axes in charts] == ["Loss", "Accuracy"]
    assert [len(axes.get_lines()[0].get_xdata()) for axes in charts] == [epochs, epochs]
    marked = [axes for axes in images if "✗" in axes.get_xlabel()]
    assert len(images) == 40 + min(wrong, 20)
    assert len(marked) == min(wrong, 40) + min(wrong, 20)
    demo.write(figure, tmp_path / "picture.png")
    picture_size(tmp_path / "picture.png")


def test_the_demo_does_not_import_matplotlib_by_itself() -> None:
    code = "import sys, swiftbackprop.demo; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
