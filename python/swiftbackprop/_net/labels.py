"""Labels of text as the class numbers that a network learns, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from swiftbackprop._engine.loader import core
from swiftbackprop._net.arrays import FloatArray, as_labels
from swiftbackprop._net.checks import got, listed
from swiftbackprop._net.custom import is_custom

if TYPE_CHECKING:
    from swiftbackprop._net.specified import SpecifiedNet


def as_classes(net: SpecifiedNet, given: Iterable[str]) -> FloatArray:
    """Return the labels of the classes 0, 1, ..., checked."""
    outputs, m = net.sizes[-1], len(net.sizes) - 1
    count = max(outputs, 2)
    if not isinstance(given, Iterable):
        raise TypeError(f"classes_ must be a list of labels, got {got(given)}")
    labels = [given] if isinstance(given, str) else list(given)
    for label in labels:
        if not isinstance(label, str):
            raise TypeError(f"labels of classes must be text, got {got(label)}")
    if len(labels) != count or len(set(labels)) != count:
        shown = listed(map(repr, labels), 5)
        raise ValueError(
            f"{len(set(labels))} labels of text ({shown}), and a network with D({m}) = {outputs} "
            f"outputs tells {count} classes apart: make it with as many outputs as there are "
            "labels (two may share one output), or set net.classes_ to all labels"
        )
    is_known = is_custom(net._spec) or outputs > 1 or net.loss.flags & core.RULE_CLASSES
    if not is_known:
        raise ValueError(
            f"labels of text for {net.loss.name} with one output, which learns numbers: write "
            'loss="binary_cross_entropy", or convert the text to numbers'
        )
    return np.array(labels, np.str_)


def find_classes(net: SpecifiedNet, y: Any) -> FloatArray | None:
    """Return the labels that a network knows, or else those of text in y, sorted."""
    if net._classes is not None:
        return net._classes
    labels = as_labels(y, "y")
    if labels.dtype.kind != "U" or not labels.size:
        return None
    try:
        return as_classes(net, np.unique(labels).tolist())
    except ValueError as error:
        raise ValueError(f"y has {error}") from None


def encode(net: SpecifiedNet, y: Any, what: str) -> FloatArray:
    """Return targets as an array of numbers; of labels of text the numbers of their classes."""
    labels = as_labels(y, what)
    if labels.dtype.kind != "U":
        _check_numbers(labels, net.sizes[-1], what)
        return labels
    if not labels.size:
        return np.zeros(0, np.int64)  # the engine says that rows are missing
    classes = net._classes
    if classes is None:
        raise ValueError(
            f"{what} has labels of text ({str(labels[0])!r}), but the network has no classes_ yet: "
            "fit it with them, or set net.classes_ to all labels, in the order of the outputs"
        )
    places, row = find_places(classes, labels)
    if row is not None:
        raise ValueError(
            f"{what} has the label {str(labels[row])!r} in row {row}, which is not in "
            f"net.classes_: {listed(map(repr, classes.tolist()), 20)}"
        )
    return places


def find_places(classes: FloatArray, labels: FloatArray) -> tuple[FloatArray, int | None]:
    """Return the numbers of labels' classes, and the first row whose label is none of them."""
    order = np.argsort(classes)
    places = order[np.searchsorted(classes, labels, sorter=order) % len(classes)]
    wrong = classes[places] != labels
    return np.asarray(places, np.int64), int(np.argmax(wrong)) if wrong.any() else None


def _check_numbers(labels: FloatArray, outputs: int, what: str) -> None:
    """Say of class numbers that one is missing, which made floats of the others."""
    if outputs > 1 and labels.ndim == 1 and labels.dtype.kind == "f":
        missing = np.isnan(labels)
        if missing.any():
            raise ValueError(
                f"{what} has nan in row {int(np.argmax(missing))}: every row needs a target; drop "
                "the row or fill it in"
            )


def as_rows(net: SpecifiedNet, y: Any) -> FloatArray:
    """Return targets that the network accepted as t, (N, D(L)), in float64; classes as one-hot."""
    array, outputs = encode(net, y, "y"), net.sizes[-1]
    if array.ndim == 1 and outputs > 1:
        return np.asarray(array[:, None] == np.arange(outputs), np.float64)
    return array.astype(np.float64).reshape(-1, outputs)
