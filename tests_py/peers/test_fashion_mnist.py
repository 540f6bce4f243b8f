"""Fashion-MNIST from Debian's package dataset-fashion-mnist, which has to be installed."""

from __future__ import annotations

import statistics

import numpy as np
import pytest

import swiftbackprop as sb
from test_datasets import sha256
from test_demo import trained


def test_fashion_mnist_of_debian(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SWIFTBACKPROP_DATA", raising=False)
    data = sb.datasets.load_fashion_mnist(scale=False)
    assert data.X_train.shape == (60_000, 784)
    assert data.X_test.shape == (10_000, 784)
    assert np.bincount(data.y_train).tolist() == [6000] * 10
    assert np.bincount(data.y_test).tolist() == [1000] * 10
    assert (
        sha256(data.X_train) == "2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012"
    )
    assert sha256(data.X_test) == "c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a"
    scaled = sb.datasets.load_fashion_mnist()
    assert scaled.X_train.dtype == np.float32
    assert (scaled.X_train.min(), scaled.X_train.max()) == (0, 1)


def test_fashion_mnist_reaches_0885_as_the_median_of_three_seeds() -> None:
    accuracies = [trained("fashion-mnist", seed) for seed in range(3)]
    assert statistics.median(accuracies) >= 0.885, accuracies
