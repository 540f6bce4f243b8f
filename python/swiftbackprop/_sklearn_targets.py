"""Labels of any kind as the numbers that a network learns, and back."""

from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.utils.multiclass import type_of_target, unique_labels

from swiftbackprop._arrays import FloatArray


class Labels(NamedTuple):
    """The classes of a classifier; `kind` is "binary", "multiclass" or "multilabel"."""

    kind: str
    classes: Any

    @property
    def outputs(self) -> int:
        """The number D(L) of outputs."""
        return 1 if self.kind == "binary" else len(self.classes)

    def encode(self, y: Any) -> FloatArray:
        """Return 0 or 1 (binary, multilabel) or the number of the class, for each row."""
        if self.kind == "multilabel":
            return np.asarray(y.toarray() if sparse.issparse(y) else y).astype(np.uint8)
        places = np.searchsorted(self.classes, y)
        return np.asarray(places, np.uint8 if self.kind == "binary" else np.int32)

    def decode(self, a: FloatArray) -> Any:
        """Return the labels that outputs of shape (N, D(L)) mean."""
        if self.kind == "multilabel":
            return (a > 0.5).astype(int)
        if self.kind == "multiclass":
            return self.classes[np.argmax(a, axis=1)]
        return self.classes[(a[:, 0] > 0.5).astype(int) if len(self.classes) > 1 else [0] * len(a)]

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


def find_labels(y: Any) -> Labels:
    """Return the classes that occur in y.

    Raises
    ------
    ValueError
        If these are no labels, or several classes for each row.
    """
    kind = type_of_target(y, input_name="y")
    if kind not in ("binary", "multiclass", "multilabel-indicator"):
        if kind == "multiclass-multioutput":
            raise ValueError(
                "Multioutput target data is not supported: y has several columns of "
                "classes. For several labels a row give a matrix of 0 and 1"
            )
        raise ValueError(
            f"Unknown label type: {kind}. Maybe you are trying to fit a classifier, which "
            "expects discrete classes, on a regression target with continuous values."
        )
    return Labels(kind.removesuffix("-indicator"), unique_labels(y))
