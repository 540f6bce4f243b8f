"""Networks beside modules of PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

nn = torch.nn


def assert_same_state(state: dict[str, npt.NDArray[Any]], module: Any, dtype: str) -> None:
    """The names, order and values of PyTorch, in dense arrays of `dtype`."""
    wanted = module.state_dict()
    assert list(state) == list(wanted)
    for key, array in state.items():
        assert array.flags.c_contiguous
        np.testing.assert_array_equal(array, wanted[key].numpy())
        assert array.dtype == (np.int64 if "num_batches" in key else dtype)


def tensors(state: dict[str, npt.NDArray[Any]]) -> dict[str, Any]:
    return {key: torch.from_numpy(array) for key, array in state.items()}


def run(module: Any, X: npt.NDArray[Any]) -> npt.NDArray[Any]:
    a: npt.NDArray[Any] = module(torch.from_numpy(X)).detach().numpy()
    return a
