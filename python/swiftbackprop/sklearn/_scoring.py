"""What early stopping goes by: a score of the rows to validate on, and that of a blind guess."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import check_scoring as check_scorer
from sklearn.metrics import get_scorer, get_scorer_names

from swiftbackprop._net.names import nearest
from swiftbackprop.network import Network
from swiftbackprop.sklearn._rows import Rows

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator


_METRICS = "swiftbackprop.metrics"


def check_scoring(scoring: Any, estimator: Any) -> None:
    """Raise unless `scoring` is None, "loss", the name of a scorer, or a scorer."""
    if scoring is None or (isinstance(scoring, str) and scoring == "loss"):
        return
    what = 'None, "loss", the name of a scorer or a callable scorer(estimator, X, y)'
    if isinstance(scoring, str):
        names = get_scorer_names()
        if scoring not in names:
            near = nearest(scoring, ["loss", *names])
            hint = f"; did you mean {near!r}?" if near else ""
            raise ValueError(
                f"scoring must be {what}, got {scoring!r}{hint} "
                "(sklearn.metrics.get_scorer_names() lists the names)"
            )
    elif isinstance(scoring, type) or not callable(scoring):
        raise TypeError(f"scoring must be {what}, got {scoring!r}")
    elif getattr(scoring, "__module__", None) == _METRICS:
        name = scoring.__name__
        near = nearest(name, get_scorer_names())
        hint = f": write scoring={near!r}" if near else ""
        raise TypeError(f"scoring must be {what}, got {name}(y, a) of {_METRICS}{hint}")
    else:
        check_scorer(estimator, scoring)  # tells a metric f(y, a) from a scorer


class Scoring:
    """The measure that an estimator names, on its rows to validate on; larger is better."""

    def __init__(self, estimator: BaseEstimator, valid: Rows) -> None:
        self.estimator, self.valid = estimator, valid
        self.constant = estimator._constant(valid)
        scoring = estimator.scoring
        self.is_loss = isinstance(scoring, str) and scoring == "loss"
        self.scorer: Callable[..., Any] | None = None
        if scoring is not None and not self.is_loss:
            self.scorer = get_scorer(scoring) if isinstance(scoring, str) else scoring

    def __call__(self, net: Network) -> float:
        """Return the score of the network as it is now; of the loss only `fit` knows."""
        if self.scorer is None:
            return float(self.estimator._default_score(net, self.valid))
        # scikit-learn compares names of columns, and the rows have lost theirs on the way in.
        shown = object.__new__(type(self.estimator))
        shown.__dict__.update(self.estimator.__dict__)
        shown.__dict__.pop("feature_names_in_", None)
        try:
            value = self._score(self.scorer, shown, self.valid.X)
        except Exception as error:
            error.add_note(f"in scoring={self.estimator.scoring!r}, on the rows to validate on")
            raise
        try:
            return float(value)
        except (TypeError, ValueError):
            raise TypeError(f"scoring must return a number, got {value!r}") from None

    def _score(self, scorer: Callable[..., Any], model: Any, X: Any) -> Any:
        y = self.estimator._decode(self.valid.y)
        if self.valid.weights is None or not _takes_weights(scorer):
            return scorer(model, X, y)
        return scorer(model, X, y, sample_weight=self.valid.weights)

    def of_a_guess(self, train: Rows) -> float:
        """Return the score of the best constant: the most frequent class, or the mean.

        NaN where there is none: for the loss, for rows that are all alike, and for scorers
        that ask for more than predictions.
        """
        y = self.valid.y
        if self.is_loss or not len(train) or np.all(y == y[:1]):
            return math.nan
        of_classes = is_classifier(self.estimator)
        guess = DummyClassifier(strategy="prior") if of_classes else DummyRegressor()
        usual = get_scorer("accuracy" if of_classes else "r2")
        with contextlib.suppress(Exception):  # whatever a scorer of one's own may ask for
            guess.fit(np.zeros((len(train), 1)), self.estimator._decode(train.y), train.weights)
            rows = np.zeros((len(y), 1))
            return float(self._score(self.scorer or usual, guess, rows))
        return math.nan


def _takes_weights(scorer: Callable[..., Any]) -> bool:
    try:
        parameters = signature(scorer).parameters
    except (TypeError, ValueError):
        return False
    return "sample_weight" in parameters or any(
        p.kind is Parameter.VAR_KEYWORD for p in parameters.values()
    )
