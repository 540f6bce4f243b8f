"""What the parameters of the estimators may be; each error names its parameter."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import check_random_state

from swiftbackprop._net.names import unknown
from swiftbackprop._net.spec import as_dropout, as_dtype
from swiftbackprop._train.callback import as_callbacks
from swiftbackprop.sklearn._network import as_activations, as_hidden_layers, make_optimizer
from swiftbackprop.sklearn._scoring import check_scoring

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

__all__ = ["check_parameters", "random_state_of"]

SOLVERS = ("lbfgs", "sgd", "adam")
SCHEDULES = ("constant", "invscaling", "adaptive")


def _is_real(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)


def _is_count(value: Any) -> bool:
    return isinstance(value, int | np.integer) and _is_real(value) and bool(value >= 1)


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool | np.bool_)


def _is_positive(value: Any) -> bool:
    return _is_real(value) and bool(0 < value < np.inf)


def _is_not_negative(value: Any) -> bool:
    return _is_real(value) and bool(0 <= value < np.inf)


def _is_share(value: Any) -> bool:
    return _is_real(value) and bool(0 <= value < 1)


# Parameter -> what is allowed, in words, and whether a value is.
_ALLOWED: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "alpha": ("a finite number of at least 0", _is_not_negative),
    "batch_size": (
        "an int of at least 1 or 'auto'",
        lambda v: v == "auto" if isinstance(v, str) else _is_count(v),
    ),
    "learning_rate_init": ("a finite number above 0", _is_positive),
    "power_t": ("a finite number of at least 0", _is_not_negative),
    "max_iter": ("an int of at least 1", _is_count),
    "shuffle": ("True or False", _is_bool),
    "tol": ("a finite number of at least 0", _is_not_negative),
    "verbose": (
        "True, False or a number of at least 0",
        lambda v: _is_bool(v) or _is_not_negative(v),
    ),
    "warm_start": ("True or False", _is_bool),
    "momentum": ("a number in [0, 1)", _is_share),
    "nesterovs_momentum": ("True or False", _is_bool),
    "early_stopping": ("True or False", _is_bool),
    "validation_fraction": ("a number in [0, 1)", _is_share),
    "beta_1": ("a number in [0, 1)", _is_share),
    "beta_2": ("a number in [0, 1)", _is_share),
    "epsilon": ("a finite number above 0", _is_positive),
    "n_iter_no_change": (
        "an int of at least 1, or infinity",
        lambda v: _is_count(v) or (_is_real(v) and bool(v == np.inf)),
    ),
    "max_fun": ("an int of at least 1", _is_count),
}
_CHOICES = {"solver": SOLVERS, "learning_rate": SCHEDULES}


def check_parameters(given: BaseEstimator) -> None:
    """Raise unless all parameters are allowed, but for those that only y can tell.

    Raises
    ------
    ValueError, TypeError
        Naming the parameter, what it may be and what was given.
    """
    for name, (wanted, fits) in _ALLOWED.items():
        value = getattr(given, name)
        if not fits(value):
            raise ValueError(f"{name} is {wanted}; got {value!r}{_hint(value)}")
    for name, choices in _CHOICES.items():
        value = getattr(given, name)
        if not isinstance(value, str):
            listed = ", ".join(map(repr, choices))
            raise ValueError(f"{name} is one of {listed}; got {value!r}{_hint(value)}")
        if value not in choices:
            raise ValueError(unknown(name, value, choices))
    layers = _hidden_layers(given)
    random_state_of(given)
    check_scoring(given.scoring, given)
    as_callbacks(() if given.callbacks is None else given.callbacks)
    if given.dtype is not None:
        as_dtype(given.dtype)
    rates = as_dropout(given.dropout, layers + 1)
    if given.optimizer is not None and given.solver == "lbfgs":
        raise ValueError("optimizer is given, and solver='lbfgs' takes none: leave one out")
    make_optimizer(given)
    if given.solver == "lbfgs" and any(rates):
        raise ValueError(
            "solver='lbfgs' minimises one function, and with dropout every call of it is "
            "another one: leave dropout at 0, or take solver='adam'"
        )


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
        elif isinstance(value, numbers.Integral) and not _is_bool(value):
            hint = f": {error}"
        raise ValueError(
            f"random_state is None, an int in [0, 2**32) or a RandomState; got {value!r}{hint}"
        ) from None
    return random


def _hint(value: Any) -> str:
    """Return what to do about a list of candidates or a distribution."""
    if hasattr(value, "rvs"):
        return ", a distribution: give it to RandomizedSearchCV"
    if isinstance(value, list) and value:
        return ", a list: to try several values give it to GridSearchCV"
    return ""
