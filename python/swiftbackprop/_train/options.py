"""What `fit` is asked for beside its data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from swiftbackprop._net.checks import as_flag, as_int
from swiftbackprop._train.callback import CallbackLike
from swiftbackprop.metrics import MetricLike

if TYPE_CHECKING:
    from swiftbackprop._train.processes import Processes


@dataclass(frozen=True)
class Options:
    """The other arguments of `fit`."""

    epochs: int
    batch_size: int | None  # None: 32 rows, or a piece as a whole
    shuffle: bool | str
    callbacks: Iterable[CallbackLike]
    progress: bool
    metrics: Iterable[MetricLike] = ()
    processes: Processes | None = None  # that train together

    def __post_init__(self) -> None:
        self.row_order()

    def row_order(self) -> int:
        """Return `shuffle` as the engine has it: 0 for no, 1 for yes, 2 for "even"."""
        if isinstance(self.shuffle, str):
            if self.shuffle != "even":
                raise ValueError(
                    f'shuffle must be True, False or "even", got {self.shuffle!r}; "even" takes '
                    "the rows of every minibatch from all parts of X"
                )
            return 2
        return int(as_flag(self.shuffle, "shuffle"))

    def batch_rows(self) -> int:
        """Return the rows of a minibatch of whole arrays."""
        return as_int(32 if self.batch_size is None else self.batch_size, "batch_size", min_=1)


def as_progress(progress: bool, verbose: object) -> bool:
    """Return whether to show a bar, by `progress` or by what Keras calls verbose."""
    if verbose is None:
        return as_flag(progress, "progress")
    if verbose == "auto" or (isinstance(verbose, int | np.bool_) and 0 <= verbose <= 2):
        return bool(verbose)
    raise ValueError(
        f'verbose must be 0 or False for no progress bar, or 1, 2, True or "auto", got {verbose!r}'
    )
