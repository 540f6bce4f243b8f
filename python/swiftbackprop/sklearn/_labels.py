"""Labels of any kind as the numbers that a network learns, and back."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.utils.multiclass import type_of_target, unique_labels

from swiftbackprop._net.arrays import FloatArray, check_mask, check_objects
from swiftbackprop._net.checks import as_number, listed
from swiftbackprop._net.frames import check_columns
from swiftbackprop._train.class_weight import balanced
from swiftbackprop._train.row_stream import RowStream


class Labels(NamedTuple):
    """The classes of a classifier; `kind` is "binary", "multiclass" or "multilabel"."""

    kind: str
    classes: Any
    is_sparse: bool = False  # several labels a row came as a sparse matrix, and go as one

    @property
    def outputs(self) -> int:
        """The number D(L) of outputs."""
        return 1 if self.kind == "binary" else len(self.classes)

    def encode(self, y: Any) -> FloatArray:
        """Return 0 or 1 (binary, multilabel) or the number of the class, for each row."""
        if self.kind == "multilabel":
            matrix = np.asarray(y.toarray() if sparse.issparse(y) else y)
            check_label_matrix(matrix)
            return matrix.astype(np.uint8)
        places = np.searchsorted(self.classes, y)
        return np.asarray(places, np.uint8 if self.kind == "binary" else np.int32)

    def places(self, a: FloatArray) -> FloatArray:
        """Return what outputs of shape (N, D(L)) mean, in the form of `encode`."""
        if self.kind == "multilabel":
            return np.asarray(a > 0.5)
        if self.kind == "multiclass":
            return np.asarray(np.argmax(a, axis=1))
        return np.asarray((a[:, 0] > 0.5) & (len(self.classes) > 1))

    def decode(self, places: FloatArray) -> Any:
        """Return the labels that `encode` would encode so, as an array."""
        if self.kind == "multilabel":
            return np.asarray(places).astype(int)
        return self.classes[np.asarray(places).astype(np.intp, copy=False)]

    def check(self, y: Any, *, same: bool) -> None:
        """Raise unless all labels of y are known; with `same`, unless all occur."""
        found = unique_labels(y)
        if same and set(found) != set(self.classes):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the "
                f"previous call to fit. Previously got {self.classes}, `y` has {found}"
            )
        if len(np.setdiff1d(found, self.classes)):
            raise ValueError(
                "`y` has classes not in `self.classes_`. `self.classes_` has "
                f"{self.classes}. 'y' has {found}."
            )


def check_data(X: Any, y: Any, names: Sequence[str], *, labels: bool) -> None:
    """Look at data as the caller gave them, before scikit-learn makes arrays of them.

    Either may be None, which is for scikit-learn to judge; `names` are what messages call them.
    With `labels` y holds labels, of any type, and not numbers.
    """
    if isinstance(X, RowStream):
        raise TypeError(
            f"{names[0]} is a stream of rows, which Network.fit, evaluate and predict take: give "
            "an estimator arrays"
        )
    name = names[1]
    for value, what in zip((X, y), names, strict=True):
        check_mask(value, what)  # scikit-learn would read what it hides
    check_columns(X, names[0], objects=True)
    if sparse.issparse(y) and not labels:
        raise TypeError(
            f"{name} is a sparse matrix; expected an array of numbers: pass its .toarray()"
        )
    if y is None or sparse.issparse(y):
        return
    if not labels:
        check_columns(y, name, objects=True)
    if isinstance(y, np.ndarray) and y.dtype.kind not in "OU":
        return
    texts = check_objects(y, name)
    if texts and not labels and np.asarray(y).dtype.kind == "U":
        raise TypeError(
            f"{name} holds text; expected real numbers, which a regressor learns: take "
            f"MLPClassifier for classes, or write np.asarray({name}, float) if it is numbers"
        )


def check_label_matrix(matrix: FloatArray) -> None:
    """Refuse a label matrix, (N, D(L)), of other numbers than 0 and 1."""
    wrong = ~((matrix == 0) | (matrix == 1))
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise ValueError(
            f"y has several labels a row, and these are 0 or 1; row {row} has "
            f"{matrix[row, column]} in column {column}"
        )


def find_labels(y: Any) -> Labels:
    """Return the classes that occur in y."""
    kind = type_of_target(y, input_name="y")
    if kind not in ("binary", "multiclass", "multilabel-indicator"):
        if kind == "multiclass-multioutput":
            raise ValueError(
                "Multioutput target data is not supported: y has several columns of "
                "classes. For several labels a row give a matrix of 0 and 1"
            )
        if kind == "unknown":
            first = np.asarray(y, object).flat[0]
            whole = isinstance(first, numbers.Integral)  # bool too, which NumPy sorts alike
            do = f"y.astype({type(first).__name__})" if whole else "[str(label) for label in y]"
            raise ValueError(
                f"Unknown label type: {kind}. y holds Python objects, such as {first!r:.40} "
                f"({type(first).__name__}): write {do}"
            )
        raise ValueError(
            f"Unknown label type: {kind}. Maybe you are trying to fit a classifier, which "
            "expects discrete classes, on a regression target with continuous values."
        )
    return Labels(kind.removesuffix("-indicator"), unique_labels(y), bool(sparse.issparse(y)))


# --- Weights of classes ---------------------------------------------------------------------


def class_factors(given: Any, labels: Labels, y: FloatArray) -> list[FloatArray]:
    """Return the weights of the classes, (K,); of several labels a row (0, 1) for each.

    A class that is not in a mapping counts 1. "balanced" is N / (K·count) for the K classes that
    are in y. Several labels a row have a list with a mapping for each.
    """
    if isinstance(given, str) and given == "balanced":
        return [
            balanced(np.bincount(column, minlength=count)) for column, count in _columns(labels, y)
        ]
    if labels.kind != "multilabel":
        if not isinstance(given, Mapping):
            raise _wrong_type("a dict from classes to weights", given)
        return [_table(given, list(labels.classes), "class_weight")]
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise _wrong_type("for several labels a row a list with a dict for each label", given)
    if len(given) != labels.outputs:
        raise ValueError(f"class_weight has {len(given)} dicts, and y has {labels.outputs} labels")
    for j, table in enumerate(given):
        if not isinstance(table, Mapping):
            raise _wrong_type(f"a list of dicts, and its item {j} is not a dict", table)
    return [_table(table, [0, 1], f"class_weight[{j}]") for j, table in enumerate(given)]


def weigh(factors: list[FloatArray], labels: Labels, y: FloatArray) -> FloatArray:
    """Return the weight of every row: that of its class, or the product over its labels."""
    columns = [column for column, _ in _columns(labels, y)]
    parts = [table[column] for table, column in zip(factors, columns, strict=True)]
    return np.asarray(np.prod(parts, axis=0))


def _columns(labels: Labels, y: FloatArray) -> list[tuple[FloatArray, int]]:
    """Return the class numbers of every label, and how many classes it has."""
    if labels.kind == "multilabel":
        return [(column.astype(np.intp), 2) for column in y.T]
    return [(y.astype(np.intp), len(labels.classes))]


def _table(given: Mapping[Any, Any], classes: list[Any], name: str) -> FloatArray:
    for key in given:
        if key not in classes:
            raise ValueError(
                f"{name} has the key {key!r}, and the classes are {listed(map(_shown, classes))}"
            )
    table = np.ones(len(classes))
    for place, label in enumerate(classes):
        value = given.get(label, 1.0)
        table[place] = as_number(value, f"{name}[{_shown(label)}]", min_=0)
    return table


def _wrong_type(what: str, given: Any) -> TypeError:
    return TypeError(f'class_weight must be None, "balanced" or {what}, got {given!r}')


def _shown(label: Any) -> str:
    return repr(label.item() if isinstance(label, np.generic) else label)
