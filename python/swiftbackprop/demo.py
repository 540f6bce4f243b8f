"""Train on real images and draw what happened: ``python -m swiftbackprop.demo``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import swiftbackprop as sb
from swiftbackprop._draw.matplotlib_axes import FAINT, curves, need_matplotlib, tidy
from swiftbackprop._export.atomic_file import write_whole
from swiftbackprop._net.checks import from_text
from swiftbackprop.datasets import Dataset, load_digits, load_fashion_mnist

_WRONG, _INK = "#c8102e", "#222222"
_LEFT, _TOP = 0.045, 0.835  # of the charts, as parts of the figure's width and height
_COLUMNS = 10  # of images


@dataclass(frozen=True)
class Settings:
    """What to train on, and how."""

    title: str
    load: Callable[[], Dataset]
    sizes: tuple[int, ...]
    learning_rate: float  # of the first epoch; it falls linearly, to 0 after the last
    batch_size: int
    epochs: int
    held: int  # one of so many training images is held back for validation


SETTINGS = {
    "digits": Settings(
        title="UCI handwritten digits",
        load=load_digits,
        sizes=(64, 128, 64, 10),
        learning_rate=3e-3,
        batch_size=32,
        epochs=40,
        held=6,
    ),
    "fashion-mnist": Settings(
        title="Fashion-MNIST",
        load=load_fashion_mnist,
        sizes=(784, 128, 10),
        learning_rate=4e-3,
        batch_size=256,
        epochs=16,
        held=10,
    ),
}


@dataclass(frozen=True)
class Result:
    """What the picture shows."""

    settings: Settings
    data: Dataset
    history: Mapping[str, Sequence[float]]
    predicted: Any  # class of each test image, (M,)
    accuracy: float
    seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo and return the exit status."""
    options = _parse(arguments)
    try:
        return _run(options)
    except KeyboardInterrupt:
        return _stop("Stopped by Ctrl-C; no picture was written.", 130)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m swiftbackprop.demo",
        description="Train a network on real images, print its test accuracy, draw a picture.",
    )
    parser.add_argument(
        "data",
        nargs="?",
        choices=list(SETTINGS),
        default="digits",
        help="digits comes with the package; fashion-mnist is read from Debian's package "
        "dataset-fashion-mnist or from the folder in SWIFTBACKPROP_DATA (default: digits)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="PATH",
        help="the picture, a PNG file (default: swiftbackprop-demo-DATA.png in the current folder)",
    )
    default_epochs = ", ".join(
        f"{settings.epochs} for {name}" for name, settings in SETTINGS.items()
    )
    parser.add_argument(
        "--epochs",
        type=from_text(int, min_=1),
        metavar="N",
        help=f"passes over the training images (default: {default_epochs})",
    )
    parser.add_argument(
        "--seed",
        type=from_text(int, min_=0),
        default=0,
        metavar="S",
        help="of the initial weights and of the shuffling (default: 0)",
    )
    options = parser.parse_args(arguments)
    options.output = options.output or Path(f"swiftbackprop-demo-{options.data}.png")
    if options.output.suffix.lower() != ".png" or not options.output.parent.is_dir():
        parser.error(f"--output {options.output}: name a .png file in a folder that exists")
    return options


def _run(options: argparse.Namespace) -> int:
    settings = SETTINGS[options.data]
    try:
        need_matplotlib("The picture")  # better said before training than after
    except ImportError as error:
        return _stop(str(error), 1)
    try:
        data = settings.load()
    except (FileNotFoundError, ValueError) as error:
        return _stop(str(error), 1)
    epochs = options.epochs or settings.epochs
    net = network(settings, options.seed)
    held = _held(settings, data)
    print(
        f"{settings.title}: {len(data.X_train) - held:,} images to train on, {held:,} to validate, "
        f"{len(data.X_test):,} to test"
    )
    print(
        f"Network {_sizes(settings)}, {net.n_parameters:,} parameters: {epochs} epochs in batches "
        f"of {settings.batch_size}, by Adam at a rate that falls from {settings.learning_rate}"
    )
    start = time.perf_counter()
    try:
        history = train(net, settings, data, epochs)
    except KeyboardInterrupt:
        accuracy = net.evaluate(data.X_test, data.y_test)["accuracy"]
        return _stop(f"Stopped by Ctrl-C with a test accuracy of {accuracy:.4f}.", 130)
    seconds = time.perf_counter() - start
    accuracy = net.evaluate(data.X_test, data.y_test)["accuracy"]
    print(f"Test accuracy {accuracy:.4f}, trained in {seconds:.2f} seconds")
    predicted = net.predict_classes(data.X_test)
    figure = draw(Result(settings, data, history, predicted, accuracy, seconds))
    try:
        write(figure, options.output)
    except OSError as error:
        return _stop(f"The picture could not be written: {error}", 1)
    print(f"Picture: {options.output.resolve()}")
    return 0


def network(settings: Settings, seed: int) -> sb.Network:
    """Return the settings's network, untrained."""
    return sb.Network(
        list(settings.sizes),
        activation="relu",
        output="softmax",
        loss="cross_entropy",
        optimizer=sb.Adam(settings.learning_rate),
        seed=seed,
    )


def train(
    net: sb.Network, settings: Settings, data: Dataset, epochs: int, *, progress: bool = True
) -> sb.History:
    """Train as the settings says, and return what every epoch reported."""
    X, y, held = data.X_train, data.y_train, _held(settings, data)

    def slow_down(net: sb.Network, epoch: int, logs: Mapping[str, float]) -> None:
        if epoch + 1 < epochs:
            net.optimizer.lr = settings.learning_rate * (1 - (epoch + 1) / epochs)

    return net.fit(
        X[:-held],
        y[:-held],
        epochs=epochs,
        batch_size=settings.batch_size,
        validation_data=(X[-held:], y[-held:]),
        callbacks=[slow_down],
        progress=progress,
    )


def _held(settings: Settings, data: Dataset) -> int:
    return max(1, len(data.X_train) // settings.held)


def _sizes(settings: Settings) -> str:
    return "-".join(map(str, settings.sizes))


def _stop(sentence: str, status: int) -> int:
    print(sentence, file=sys.stderr)
    return status


def write(figure: Any, path: Path) -> None:
    """Write the picture whole or not at all."""
    write_whole(path, lambda file: figure.savefig(file, format="png", dpi=150))


def draw(result: Result) -> Any:
    """Return a matplotlib figure: loss and accuracy per epoch, and test images."""
    from matplotlib import style
    from matplotlib.figure import Figure

    with style.context(["default", {"font.size": 9, "text.color": _INK}], after_reset=True):
        figure: Any = Figure(figsize=(13, 7.2))
        figure.text(_LEFT, 0.94, result.settings.title, fontsize=18, fontweight="bold")
        facts = (
            f"network {_sizes(result.settings)}",
            f"test accuracy {100 * result.accuracy:.1f}%",
            f"{len(result.history['loss'])} epochs in {result.seconds:.2f} seconds",
        )
        figure.text(_LEFT, 0.9, "   ·   ".join(facts), fontsize=11, color=FAINT)
        grid = figure.add_gridspec(2, 1, left=_LEFT, right=0.4, top=_TOP, bottom=0.07, hspace=0.3)
        loss, accuracy = (figure.add_subplot(cell) for cell in grid)
        _curves(loss, result.history, "loss")
        _curves(accuracy, result.history, "accuracy")
        loss.legend(loc="upper right", labelcolor="linecolor", handlelength=1.2, edgecolor="white")
        _images(figure, result)
    return figure


def _curves(axes: Any, history: Mapping[str, Sequence[float]], name: str) -> None:
    """Draw a quantity per epoch, of training and of validation."""
    from matplotlib.ticker import PercentFormatter

    curves(axes, history, name, ("training", "validation"))
    axes.set_title(name.capitalize(), loc="left", fontsize=11, fontweight="bold")
    if name == "loss":
        axes.set_ylim(bottom=0)
    else:
        axes.set_ylim(top=1)
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.set_xlabel("epoch", color=FAINT)
    tidy(axes)


def _images(figure: Any, result: Result) -> None:
    """Draw the first test images, then the first of those that the network gets wrong."""
    right = result.predicted == result.data.y_test
    wrong = np.flatnonzero(~right)
    shown = wrong[: 2 * _COLUMNS]
    heading = f"Wrong: {len(wrong):,} of {len(right):,}"
    if len(shown) < len(wrong):
        heading += f", the first {len(shown)} of them"
    if len(shown):
        heading += "  (✗ predicted, ✓ true)"
    box = {"left": 0.455, "right": 0.985, "wspace": 0.12, "hspace": 0.5}
    for rows, top, bottom, title, colour, indices in (
        (
            4,
            _TOP,
            0.365,
            "Test images and predictions",
            _INK,
            np.arange(min(4 * _COLUMNS, len(right))),
        ),
        (2, 0.275, 0.055, heading, _WRONG, shown),
    ):
        figure.text(box["left"], top + 0.012, title, size=11, weight="bold", color=colour)
        grid = figure.add_gridspec(rows, _COLUMNS, top=top, bottom=bottom, **box)
        for cell, index in zip(grid, indices, strict=False):
            _image(figure.add_subplot(cell), result, int(index), bool(right[index]))


def _image(axes: Any, result: Result, index: int, right: bool) -> None:
    image = result.data.X_test[index].reshape(result.data.image_shape)
    axes.imshow(image, cmap="gray_r", vmin=0, vmax=1)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(color="#d0d0d0" if right else _WRONG, linewidth=0.8 if right else 2)
    predicted, true = (
        result.data.class_names[classes[index]]
        for classes in (result.predicted, result.data.y_test)
    )
    text = predicted if right else f"✗ {predicted}\n✓ {true}"
    axes.set_xlabel(text, size=7, labelpad=2.5, color=_INK if right else _WRONG)


if __name__ == "__main__":
    sys.exit(main())
