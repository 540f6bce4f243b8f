"""Real data to train on: handwritten digits in the package, Fashion-MNIST from the machine."""

from __future__ import annotations

from ._dataset import Dataset
from ._digits import load_digits
from ._fashion_mnist import load_fashion_mnist

__all__ = ["Dataset", "load_digits", "load_fashion_mnist"]
