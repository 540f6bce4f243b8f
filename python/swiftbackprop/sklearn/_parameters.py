"""What the parameters of the estimators may be; each error names its parameter."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import check_random_state

from swiftbackprop._net.checks import as_bool, as_int, as_number
from swiftbackprop._net.names import unknown
from swiftbackprop._net.optimizers import Optimizer, optimizers
from swiftbackprop._net.spec import as_dropout, as_dtype, as_precision
from swiftbackprop._train.callback import as_callbacks
from swiftbackprop.sklearn._network import as_activations, as_hidden_layers, make_optimizer
from swiftbackprop.sklearn._scoring import check_scoring

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator


SOLVERS = ("lbfgs", "sgd", "adam")
SCHEDULES = ("constant", "invscaling", "adaptive")


def _batch_size(value: Any, name: str) -> None:
    if not isinstance(value, str) or value != "auto":
        as_int(value, name, min_=1, also=" or 'auto'")


def _verbose(value: Any, name: str) -> None:
    if not isinstance(value, bool | np.bool_):
        as_number(value, name, min_=0, also=", True or False")


def _patience(value: Any, name: str) -> None:
    if not isinstance(value, float | np.floating) or value != np.inf:
        as_int(value, name, min_=1, also=" or infinity")


_count = partial(as_int, min_=1)
_positive = partial(as_number, above=0)
_not_negative = partial(as_number, min_=0)
_share = partial(as_number, min_=0, below=1)
_CHECKS: dict[str, Callable[[Any, str], object]] = {
    "alpha": _not_negative,
    "batch_size": _batch_size,
    "learning_rate_init": _positive,
    "power_t": _not_negative,
    "max_iter": _count,
    "shuffle": as_bool,
    "tol": _not_negative,
    "verbose": _verbose,
    "warm_start": as_bool,
    "momentum": _share,
    "nesterovs_momentum": as_bool,
    "early_stopping": as_bool,
    "validation_fraction": _share,
    "beta_1": _share,
    "beta_2": _share,
    "epsilon": _positive,
    "n_iter_no_change": _patience,
    "max_fun": _count,
}
_CHOICES = {"solver": SOLVERS, "learning_rate": SCHEDULES}


def check_parameters(given: BaseEstimator) -> None:
    """Raise unless all parameters are allowed, but for those that only y can tell."""
    for name, check in _CHECKS.items():
        value = getattr(given, name)
        try:
            check(value, name)
        except (TypeError, ValueError) as error:  # scikit-learn's estimators raise one kind
            raise ValueError(f"{error}{_hint(value)}") from None
    for name, choices in _CHOICES.items():
        value = getattr(given, name)
        if not isinstance(value, str):
            known = ", ".join(map(repr, choices))
            hint = _hint(value) or _elsewhere(name, value)
            raise ValueError(f"{name} must be one of {known}, got {value!r}{hint}")
        if value not in choices:
            raise ValueError(unknown(name, value, choices) + _elsewhere(name, value))
    layers = _hidden_layers(given)
    random_state_of(given)
    check_scoring(given.scoring, given)
    as_callbacks(() if given.callbacks is None else given.callbacks)
    if given.dtype is not None:
        as_dtype(given.dtype)
    try:
        as_precision(given.precision, as_dtype(given.dtype or "float32"))
    except TypeError as error:
        raise ValueError(f"{error}{_hint(given.precision)}") from None
    rates = as_dropout(given.dropout, layers + 1)
    if given.optimizer is not None and given.solver == "lbfgs":
        raise ValueError("optimizer is given, and solver='lbfgs' takes none: leave one out")
    make_optimizer(given)
    if given.solver == "lbfgs" and given.precision is not None:
        raise ValueError(
            "solver='lbfgs' computes in float64, where precision rounds nothing: leave precision "
            "at None, or take solver='adam'"
        )
    if given.solver == "lbfgs" and any(rates):
        raise ValueError(
            "solver='lbfgs' minimises one function, and with dropout every call of it is "
            "another one: leave dropout at 0, or take solver='adam'"
        )


def _elsewhere(name: str, value: Any) -> str:
    """Return which parameter takes what stands in the wrong one."""
    if name == "learning_rate" and isinstance(value, numbers.Real):
        return f": write learning_rate_init={value!r}"
    known = value in optimizers() if isinstance(value, str) else isinstance(value, Optimizer)
    if name == "solver" and known:
        return f": write optimizer={value!r}"
    return ""


def _hidden_layers(given: BaseEstimator) -> int:
    """Return how many hidden layers there are, with activations that fit them."""
    try:
        layers = len(as_hidden_layers(given.hidden_layer_sizes))
    except ValueError as error:
        raise ValueError(f"{error}{_hint(given.hidden_layer_sizes)}") from None
    as_activations(given.activation, layers)
    return layers


def random_state_of(given: BaseEstimator) -> np.random.RandomState:
    """Return the generator that `random_state` means."""
    try:
        random: np.random.RandomState = check_random_state(given.random_state)
    except ValueError as error:
        value = given.random_state
        hint = _hint(value)
        if isinstance(value, np.random.Generator):
            hint = ": scikit-learn's estimators take no Generator"
        elif isinstance(value, numbers.Integral) and not isinstance(value, bool | np.bool_):
            hint = f": {error}"
        raise ValueError(
            f"random_state must be None, an int in [0, 2**32) or a RandomState, got {value!r}{hint}"
        ) from None
    return random


def _hint(value: Any) -> str:
    """Return what to do about a list of candidates or a distribution."""
    if hasattr(value, "rvs"):
        return ", a distribution: give it to RandomizedSearchCV"
    if isinstance(value, list) and value:
        return ", a list: to try several values give it to GridSearchCV"
    return ""
