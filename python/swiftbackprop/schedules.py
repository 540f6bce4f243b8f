"""Learning-rate schedules for `swiftbackprop.LearningRateScheduler`.

A schedule is a factor of the optimizer's learning rate as a function of time t, counted in
epochs: t = 0 at the start, 1.5 in the middle of the second epoch. It takes numbers and arrays.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from swiftbackprop._net.checks import as_int, as_number, got
from swiftbackprop._net.names import known_keywords, no_attribute, unknown

__all__ = [
    "Constant",
    "Cosine",
    "Exponential",
    "InverseScaling",
    "OneCycle",
    "ReduceOnPlateau",
    "Schedule",
    "Step",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        raise no_attribute(__name__, "schedule", name, __all__)


_Array = npt.NDArray[np.float64]
_T = TypeVar("_T")


def _answers(kind: type[_T]) -> type[_T]:
    """Let a schedule say of a keyword that it does not have what it is called here."""
    kind.__init__ = known_keywords(kind.__init__)  # type: ignore[method-assign]
    return kind


class Schedule:
    """A factor of the learning rate as a function of time; the base of all schedules.

    A schedule of one's own is a class with the method `factor`.

    Examples
    --------
    >>> import swiftbackprop as sb
    >>> class Halve(sb.schedules.Schedule):
    ...     def factor(self, t):
    ...         return 0.5 ** np.floor(t)
    >>> Halve()(2.0)
    0.25
    """

    #: Whether the rate changes with every batch, if `LearningRateScheduler` is not told.
    per_batch = False

    def factor(self, t: _Array) -> npt.ArrayLike:
        """Return the factor at times t, an array of float64."""
        raise NotImplementedError(f"{type(self).__name__} needs a method factor(t)")

    def __call__(self, t: npt.ArrayLike) -> Any:
        """Return the factor at time t, in epochs; an array for an array."""
        times = np.asarray(t, np.float64)
        factors = np.broadcast_to(np.asarray(self.factor(times), np.float64), times.shape)
        return factors if times.ndim else float(factors)


@_answers
@dataclass(frozen=True)
class Constant(Schedule):
    """The rate as it is, or times a factor.

    Parameters
    ----------
    value : float, default 1
    """

    value: float = 1.0

    def __post_init__(self) -> None:
        as_number(self.value, "value", above=0)

    def factor(self, t: _Array) -> npt.ArrayLike:
        """Return value."""
        return self.value


@_answers
@dataclass(frozen=True)
class Step(Schedule):
    """gamma^floor(t / every).

    Parameters
    ----------
    every : float
        Epochs between two steps.
    gamma : float, default 0.1

    Examples
    --------
    >>> import swiftbackprop as sb
    >>> sb.schedules.Step(10, gamma=0.5)([0, 9, 10, 25])
    array([1.  , 1.  , 0.5 , 0.25])
    """

    every: float
    gamma: float = 0.1

    def __post_init__(self) -> None:
        as_number(self.every, "every", above=0)
        as_number(self.gamma, "gamma", above=0, max_=1)

    def factor(self, t: _Array) -> npt.ArrayLike:
        """Return gamma^floor(t / every)."""
        return self.gamma ** np.floor(t / self.every)


@_answers
@dataclass(frozen=True)
class Exponential(Schedule):
    """gamma^t.

    Parameters
    ----------
    gamma : float, default 0.95
    """

    gamma: float = 0.95

    def __post_init__(self) -> None:
        as_number(self.gamma, "gamma", above=0, max_=1)

    def factor(self, t: _Array) -> npt.ArrayLike:
        """Return gamma^t."""
        return self.gamma**t


@_answers
@dataclass(frozen=True)
class InverseScaling(Schedule):
    """1 / (1 + t)^power.

    Parameters
    ----------
    power : float, default 0.5

    Notes
    -----
    scikit-learn's "invscaling" counts updates instead of epochs.
    """

    power: float = 0.5

    def __post_init__(self) -> None:
        as_number(self.power, "power", above=0)

    def factor(self, t: _Array) -> npt.ArrayLike:
        """Return 1 / (1 + t)^power."""
        return (1 + t) ** -self.power


@_answers
@dataclass(frozen=True)
class Cosine(Schedule):
    """From 1 to `least` by half a cosine, after a linear warm-up.

    Parameters
    ----------
    epochs : float
        The length, warm-up included; afterwards the factor stays at `least`.
    warmup : float, default 0
        Epochs in which the factor rises from `start` to 1.
    least : float, default 0
        The factor at the end.
    start : float, default 0.1
        The factor at the start of the warm-up.

    Notes
    -----
    least + (1 - least)(1 + cos(π s))/2, where s goes from 0 to 1 after the warm-up: Loshchilov
    and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017.

    Examples
    --------
    >>> import swiftbackprop as sb
    >>> sb.schedules.Cosine(10, warmup=2, start=0.5)([0, 1, 2, 6, 10]).round(3)
    array([0.5 , 0.75, 1.  , 0.5 , 0.  ])
    """

    epochs: float
    warmup: float = 0.0
    least: float = 0.0
    start: float = 0.1

    def __post_init__(self) -> None:
        as_number(self.epochs, "epochs", above=0)
        as_number(self.warmup, "warmup", min_=0, below=self.epochs)
        as_number(self.least, "least", min_=0, max_=1)
        as_number(self.start, "start", min_=0, max_=1)

    def factor(self, t: _Array) -> npt.ArrayLike:
        """Return the factor."""
        s = np.clip((t - self.warmup) / (self.epochs - self.warmup), 0, 1)
        falling = self.least + (1 - self.least) * (1 + np.cos(np.pi * s)) / 2
        if not self.warmup:
            return falling
        rising = self.start + (1 - self.start) * t / self.warmup
        return np.where(t < self.warmup, rising, falling)


@_answers
@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up from 1/`div` to 1 and down to 1/`final_div`, by half cosines, with every batch.

    The optimizer's learning rate is the highest.

    Parameters
    ----------
    epochs : float
        The length of the cycle, the epochs of `Network.fit`.
    rise : float, default 0.3
        The share of it that goes up.
    div : float, default 25
    final_div : float, default 2.5e5

    Notes
    -----
    Smith and Topin, "Super-convergence", 2019; shape and defaults are those of PyTorch's
    OneCycleLR, whose last rate is initial/1e4.
    """

    epochs: float
    rise: float = 0.3
    div: float = 25.0
    final_div: float = 2.5e5
    per_batch = True

    def __post_init__(self) -> None:
        as_number(self.epochs, "epochs", above=0)
        as_number(self.div, "div", above=0)
        as_number(self.final_div, "final_div", above=0)
        as_number(self.rise, "rise", above=0, below=1)

    def factor(self, t: _Array) -> npt.ArrayLike:
        """Return the factor."""
        top = self.rise * self.epochs
        up = np.clip(t / top, 0, 1)
        down = np.clip((t - top) / (self.epochs - top), 0, 1)

        def between(first: float, last: float, s: _Array) -> _Array:
            share: _Array = (1 - np.cos(np.pi * s)) / 2
            return first + (last - first) * share

        return np.where(t < top, between(1 / self.div, 1, up), between(1, 1 / self.final_div, down))


@_answers
@dataclass(frozen=True)
class ReduceOnPlateau:
    """The rate times `factor`, whenever a quantity has not improved for some epochs.

    Parameters
    ----------
    monitor : str, optional
        A column of the history; by default val_loss, or loss without validation.
    factor : float, default 0.1
    patience : int, default 10
        Multiply after more epochs than this without improvement.
    min_delta : float, default 0
        Less than this is no improvement.
    cooldown : int, default 0
        Epochs after a reduction that are not counted.
    min_lr : float, default 0
        The rate never goes below.
    mode : {"min", "max"}, optional
        Whether lower or higher is better; by default guessed from the name.
    """

    monitor: str | None = None
    factor: float = 0.1
    patience: int = 10
    min_delta: float = 0.0
    cooldown: int = 0
    min_lr: float = 0.0
    mode: str | None = None

    def __post_init__(self) -> None:
        as_number(self.factor, "factor", above=0, max_=1)
        check_monitor(self.monitor, self.patience, self.min_delta, self.mode)
        as_int(self.cooldown, "cooldown", min_=0)
        as_number(self.min_lr, "min_lr", min_=0)


# --- What watches a quantity; early stopping uses it too ---------------------------------


# Short names count where a word begins: error2 is no r2.
_SCORES = re.compile("accuracy|auc|precision|recall|(?<![a-z])(r2|f1|top_)")


def is_score(name: str) -> bool:
    """Return whether a column of the history, to judge by its name, is best at 1."""
    return _SCORES.search(name) is not None and "loss" not in name


def check_monitor(monitor: object, patience: object, min_delta: object, mode: object) -> None:
    """Refuse arguments of `BestValue`."""
    if monitor is not None and not isinstance(monitor, str):
        raise TypeError(f"monitor must be the name of a column of the history, got {got(monitor)}")
    as_int(patience, "patience", min_=0)
    as_number(min_delta, "min_delta", min_=0)
    if mode not in (None, "min", "max"):
        raise ValueError(f'mode must be "min", "max" or None, got {mode!r}')


class BestValue:
    """The best value of a quantity so far, and for how many epochs it has been the best."""

    def __init__(self, monitor: str | None, min_delta: float, mode: str | None) -> None:
        self.monitor = monitor
        self.min_delta = min_delta
        self.mode = mode
        self.best = math.nan
        self.waited = 0

    def see(self, logs: Mapping[str, float]) -> bool:
        """Take in an epoch; return whether it is the best so far."""
        if self.monitor is None:
            self.monitor = "val_loss" if "val_loss" in logs else "loss"
        if self.monitor not in logs:
            if self.monitor[:4] == "val_" and not any(name[:4] == "val_" for name in logs):
                raise ValueError(
                    f"monitor: {self.monitor!r} needs validation data, of which fit was given "
                    f"none; there are {', '.join(logs)}"
                )
            raise ValueError(f"monitor: {unknown('column', self.monitor, logs)}")
        value = logs[self.monitor]
        larger = is_score(self.monitor)
        sign = -1 if self.mode == "max" or (self.mode is None and larger) else 1
        improved = sign * value < sign * self.best - self.min_delta or (
            math.isnan(self.best) and not math.isnan(value)
        )
        if improved:
            self.best, self.waited = value, 0
        else:
            self.waited += 1
        return improved
