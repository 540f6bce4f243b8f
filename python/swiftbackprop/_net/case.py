"""What a metric is of: targets, outputs and weights that fit each other."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from swiftbackprop._net.arrays import FloatArray, as_data, check_some_weight


class Case(NamedTuple):
    """Targets, outputs and weights that fit each other."""

    t: FloatArray  # as given: class numbers, (N,), or rows, (N, K)
    a: FloatArray  # (N, K), of float64
    w: FloatArray | None  # (N,)
    decided: bool = False  # a holds class numbers, not outputs

    @property
    def outputs(self) -> int:
        return int(self.a.shape[1])

    def mean(self, values: FloatArray) -> float:
        """Return the weighted mean over rows."""
        return float(np.average(values, weights=self.w))

    def rows(self) -> FloatArray:
        """Return targets as rows, (N, K); class numbers as one-hot rows."""
        t = self.t
        if t.ndim == 1 and self.outputs > 1:
            return np.eye(self.outputs, dtype=np.float64)[self.classes("one-hot rows")]
        return t.astype(np.float64).reshape(len(t), -1)

    def classes(self, who: str) -> npt.NDArray[np.int64]:
        """Return the class of every row, from numbers, one-hot rows or rows of probabilities."""
        t, top = self.t, max(self.outputs, 2) - 1
        if self.decided:
            raise ValueError(
                f"{who} expects the outputs, of shape (N, K), and a holds class numbers: write "
                "net.predict(X), not net.predict_classes(X); sklearn.metrics has metrics of those"
            )
        if t.ndim == 1:
            with np.errstate(invalid="ignore"):
                numbers = t.astype(np.int64)
            if not np.array_equal(numbers, t):
                row = int(np.argmax(numbers != t))
                raise ValueError(f"{who} expects classes, and y has {t[row]} in row {row}")
            wrong = (numbers < 0) | (numbers > top)
            if wrong.any():
                row = int(np.argmax(wrong))
                raise ValueError(
                    f"{who} expects classes 0..{top}, for the outputs have shape {self.a.shape}; "
                    f"y has {numbers[row]} in row {row}"
                )
            return numbers
        off = abs(t.sum(axis=1, dtype=np.float64) - 1) > 1e-4
        wrong = ((t < 0) | (t > 1)).any(axis=1) | (off & ~((t == 0) | (t == 1)).all(axis=1))
        if wrong.any():
            row = int(np.argmax(wrong))
            raise ValueError(
                f"{who} expects classes: their numbers, or rows of 0 and 1; row {row} of y is "
                f"{t[row].tolist()!s:.60}"
            )
        return np.asarray(np.argmax(t, axis=1), np.int64)

    def found(self) -> npt.NDArray[np.int64]:
        """Return the class that the outputs of every row mean."""
        if self.outputs == 1:
            return (self.a[:, 0] >= 0.5).astype(np.int64)
        return np.asarray(np.argmax(self.a, axis=1), np.int64)

    @property
    def has_several(self) -> bool:
        """Whether a row of targets has several labels, or none."""
        is_binary = self.t.ndim == 2 and bool(np.all((self.t == 0) | (self.t == 1)))
        return is_binary and bool(np.any(self.t.sum(axis=1) != 1))


def case_of(y: Any, a: Any, sample_weight: Any) -> Case:
    """Return the arguments of a metric, checked."""
    t, given = as_data(y, "y"), as_data(a, "a")
    out = given.astype(np.float64)
    out = out[:, None] if out.ndim == 1 else out
    decided = given.dtype.kind in "iu" and out.shape[1] == 1 and not np.isin(out, (0, 1)).all()
    if t.ndim == 2 and t.shape[1] == 1:
        t = t.ravel()
    fits = t.shape == (len(out),) or t.shape == out.shape
    if not fits or not len(out):
        raise ValueError(
            f"y has shape {t.shape}, and the outputs a have shape {out.shape}: expected the same "
            "number of rows, at least one, and class numbers (N,) or as many columns as outputs"
        )
    for name, array in (("y", t), ("a", out)):
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{name} has NaN or infinity")
    if sample_weight is None:
        return Case(t, out, None, decided)
    w = as_data(sample_weight, "sample_weight").astype(np.float64)
    if w.size != len(out) or not np.isfinite(w).all() or (w < 0).any():
        raise ValueError(
            f"sample_weight has shape {w.shape}: expected {len(out)} finite numbers >= 0"
        )
    check_some_weight(w, "sample_weight")
    return Case(t, out, w.ravel(), decided)
