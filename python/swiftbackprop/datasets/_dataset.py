"""What the loaders return."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Images and their classes, parted into training and test examples.

    Attributes
    ----------
    X_train : ndarray of shape (N, D)
        Training images, one flattened image a row: float32 in [0, 1], or uint8 if the loader
        was called with ``scale=False``.
    y_train : ndarray of shape (N,)
        Class of each training image, int64.
    X_test : ndarray of shape (M, D)
        Test images, as `X_train`.
    y_test : ndarray of shape (M,)
        Class of each test image, int64.
    image_shape : tuple of int
        Rows and columns of an image: ``X_train[n].reshape(image_shape)``.
    class_names : tuple of str
        ``class_names[k]`` is the name of class k.
    description : str
        What the data is, where it comes from and its licence.

    Examples
    --------
    >>> import swiftbackprop as sb
    >>> digits = sb.datasets.load_digits()
    >>> digits
    Dataset(1198 training and 599 test images of 8 × 8 pixels, float32, 10 classes)
    >>> digits.X_train[0].reshape(digits.image_shape).shape
    (8, 8)
    """

    X_train: NDArray[Any]
    y_train: NDArray[np.int64]
    X_test: NDArray[Any]
    y_test: NDArray[np.int64]
    image_shape: tuple[int, int]
    class_names: tuple[str, ...]
    description: str

    def __repr__(self) -> str:
        rows, columns = self.image_shape
        return (
            f"Dataset({len(self.X_train)} training and {len(self.X_test)} test images of "
            f"{rows} × {columns} pixels, {self.X_train.dtype}, {len(self.class_names)} classes)"
        )


def scaled(images: NDArray[np.uint8], largest: int) -> NDArray[np.float32]:
    """Return `images` / `largest` as float32, without an array in between."""
    return np.divide(images, np.float32(largest), dtype=np.float32)
