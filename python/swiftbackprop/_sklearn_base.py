"""What MLPClassifier and MLPRegressor have in common."""

import numbers
import warnings
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from swiftbackprop._arrays import FloatArray
from swiftbackprop._functions import Activation, Loss
from swiftbackprop._names import unknown
from swiftbackprop._sklearn_callbacks import CallbackSupportMixin, FitTask
from swiftbackprop._sklearn_lbfgs import Search
from swiftbackprop._sklearn_network import (
    adopt,
    as_activations,
    as_hidden_layers,
    coefs_of,
    draw_weights,
    dtype_of,
    make_network,
    make_optimizer,
    name_of_output,
)
from swiftbackprop._sklearn_train import Rows, Watch, predict_blocks, train
from swiftbackprop.network import Network

SOLVERS = ("lbfgs", "sgd", "adam")
SCHEDULES = ("constant", "invscaling", "adaptive")


def _is_real(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)


def _is_count(value: Any) -> bool:
    return isinstance(value, int | np.integer) and _is_real(value) and bool(value >= 1)


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool | np.bool_)


# Parameter -> what is allowed, in words, and whether a value is.
_ALLOWED: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "alpha": ("a number of at least 0", lambda v: _is_real(v) and v >= 0),
    "batch_size": ("an int of at least 1 or 'auto'", lambda v: v == "auto" or _is_count(v)),
    "learning_rate_init": ("a number above 0", lambda v: _is_real(v) and v > 0),
    "power_t": ("a number of at least 0", lambda v: _is_real(v) and v >= 0),
    "max_iter": ("an int of at least 1", _is_count),
    "shuffle": ("True or False", _is_bool),
    "tol": ("a number of at least 0", lambda v: _is_real(v) and v >= 0),
    "verbose": ("True, False or a number", lambda v: isinstance(v, numbers.Real | np.bool_)),
    "warm_start": ("True or False", _is_bool),
    "momentum": ("a number in [0, 1)", lambda v: _is_real(v) and 0 <= v < 1),
    "nesterovs_momentum": ("True or False", _is_bool),
    "early_stopping": ("True or False", _is_bool),
    "validation_fraction": ("a number in [0, 1)", lambda v: _is_real(v) and 0 <= v < 1),
    "beta_1": ("a number in [0, 1)", lambda v: _is_real(v) and 0 <= v < 1),
    "beta_2": ("a number in [0, 1)", lambda v: _is_real(v) and 0 <= v < 1),
    "epsilon": ("a number above 0", lambda v: _is_real(v) and v > 0),
    "n_iter_no_change": (
        "an int of at least 1, or infinity",
        lambda v: _is_count(v) or (_is_real(v) and v == np.inf),
    ),
    "max_fun": ("an int of at least 1", _is_count),
}
_CHOICES = {"solver": SOLVERS, "learning_rate": SCHEDULES}


class Estimator(CallbackSupportMixin, BaseEstimator):  # type: ignore[misc]
    """Fitting, predicting and storing; the subclasses say what targets mean.

    The states of an estimator and the ways between them:

    - *new* has no ``coefs_``. `fit` and `partial_fit` draw weights and make it *fitted*.
    - *fitted*, `fit` with ``warm_start=False``: everything is forgotten, then as *new*.
    - *fitted*, `fit` with ``warm_start=True``: weights, random numbers, ``t_``, the curves
      and the best values stay; the optimizer's state, the learning rate, ``n_iter_`` and
      the count of epochs without improvement start anew. The parameters are those of now.
    - *fitted*, `partial_fit`: one epoch; the optimizer's state stays as well.
    """

    _wants_numbers = False
    network_: Network
    n_outputs_: int
    best_loss_: Any
    best_validation_score_: Any

    # --- For the subclasses to say -------------------------------------------------------

    def _read_targets(self, y: Any, *, first: bool, is_partial: bool) -> FloatArray:
        """Return y as the network learns it; find or check the classes."""
        raise NotImplementedError

    def _output_and_loss(self) -> tuple[Activation, Loss]:
        raise NotImplementedError

    def _encode(self, y: Any) -> FloatArray:
        """Return the y of validation data as the network learns it."""
        raise NotImplementedError

    def _validation_score(self, net: Network, logs: Mapping[str, float], valid: Rows) -> float:
        raise NotImplementedError

    def _constant(self, data: Rows) -> float:
        """Return what the reported loss has beside C and the penalty."""
        return 0.0

    def _with_class_weights(self, y: Any, weights: FloatArray | None) -> FloatArray | None:
        return weights

    def _stratifies(self) -> bool:
        return False

    # --- Fitting --------------------------------------------------------------------------

    def _fit(self, X: Any, y: Any, sample_weight: Any, *, is_partial: bool = False) -> Self:
        self._check_parameters()
        if self.early_stopping and is_partial:
            raise ValueError("partial_fit does not support early_stopping=True")
        first = not hasattr(self, "coefs_") or not (self.warm_start or is_partial)
        old = None if first else self._ready()
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csr",
            dtype="numeric",
            multi_output=True,
            y_numeric=self._wants_numbers,
            reset=first,
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        weights = self._row_weights(X, y, sample_weight)
        data = Rows(X, self._read_targets(y, first=first, is_partial=is_partial), weights)
        random = check_random_state(self.random_state)
        net = self._make_network(data, old, random, is_partial)
        self._show(net)
        self._begin(first, is_partial)
        task = FitTask(self, X, y, sample_weight, is_partial)
        try:
            solve = self._fit_lbfgs if self.solver == "lbfgs" else self._fit_stochastic
            solve(net, data, random, is_partial, task.callbacks())
        except FloatingPointError as error:
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain "
                f"large values and need to be preprocessed. ({error})"
            ) from error
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=3)
        task.end()
        return self

    def _row_weights(self, X: Any, y: Any, given: Any) -> FloatArray | None:
        """Return the weights of the rows: those given, times those of the classes."""
        weights = None if given is None else _check_sample_weight(given, X, dtype=np.float64)
        if weights is not None and np.any(weights < 0):
            raise ValueError("Negative values in data passed to `sample_weight`")
        return self._with_class_weights(y, weights)

    def _make_network(
        self, data: Rows, old: Network | None, random: np.random.RandomState, is_partial: bool
    ) -> Network:
        """Return the network to train: with weights drawn, or those of the old one."""
        hidden = as_hidden_layers(self.hidden_layer_sizes)
        sizes = (data.X.shape[1], *hidden, self.n_outputs_)
        if old is not None and old.sizes != sizes:
            raise ValueError(
                f"this estimator was fitted with the layers {old.sizes}, and is asked to go "
                f"on with {sizes}: fit it anew with warm_start=False"
            )
        output, loss = self._output_and_loss()
        net = make_network(
            sizes,
            as_activations(self.activation, len(hidden)),
            output,
            loss,
            optimizer=make_optimizer(self),
            dtype=dtype_of(self.dtype, data.X) if old is None or self.dtype else old.dtype,
            alpha=self.alpha,
            # Of a twin: the draws that follow stay scikit-learn's.
            seed=int(deepcopy(random).randint(2**31)),
            dropout=self.dropout,
        )
        if old is None:
            draw_weights(net, random)
            return net
        adopt(net, old, state=is_partial)
        if is_partial and make_optimizer(self) == self._started_with:
            net.optimizer.lr = old.optimizer.lr  # where its schedule has brought it
        return net

    def _show(self, net: Network) -> None:
        """Set the attributes that are the network, views of it, or known from it."""
        self.network_ = net
        self.coefs_, self.intercepts_ = coefs_of(net)
        self._views = (*self.coefs_, *self.intercepts_)
        self.n_layers_ = len(net.sizes)
        self.out_activation_ = name_of_output(net.layers[-1].activation)

    def _begin(self, first: bool, is_partial: bool) -> None:
        """Set the counts and curves to their start, or leave what goes on."""
        self._started_with = make_optimizer(self)
        self.n_iter_ = 0
        if first or not is_partial:
            self._no_improvement_count = 0
        if first:
            self.t_ = 0
            self.loss_curve_: list[float] = []
            self.validation_loss_curve_: list[float] | None = None
            self.validation_scores_: list[float] | None = None
            self.best_validation_score_ = self.best_loss_ = None
        validates = self.early_stopping or self.validation_data is not None
        if validates and self.validation_scores_ is None:
            self.validation_loss_curve_, self.validation_scores_ = [], []
            self.best_validation_score_ = -np.inf
        if self.early_stopping:
            self.best_loss_ = None
        elif self.best_loss_ is None:
            self.best_loss_ = np.inf

    def _fit_stochastic(
        self,
        net: Network,
        data: Rows,
        random: np.random.RandomState,
        is_partial: bool,
        callbacks: list[Any],
    ) -> None:
        data, valid = self._split(data, random)
        watch = Watch(self, net, len(data), self._constant(data), valid)
        train(self, net, data, watch, callbacks, is_partial=is_partial)

    def _split(self, data: Rows, random: np.random.RandomState) -> tuple[Rows, Rows | None]:
        """Return rows to train on and, if they are wanted, rows to validate on."""
        if self.validation_data is not None:
            return data, self._validation_rows()
        if not self.early_stopping:
            return data, None
        train_rows, valid_rows = train_test_split(
            np.arange(len(data)),
            random_state=random,
            test_size=self.validation_fraction,
            stratify=data.y if self._stratifies() else None,
        )
        if len(valid_rows) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size "
                "of your dataset."
            )
        return data.take(train_rows), data.take(valid_rows)

    def _validation_rows(self) -> Rows | None:
        """Return what `validation_data` holds."""
        if self.validation_data is None:
            return None
        given = self.validation_data
        if not isinstance(given, tuple | list) or len(given) not in (2, 3):
            raise TypeError(
                "validation_data is a tuple (X, y) or (X, y, sample_weight), not a "
                f"{type(given).__name__}"
            )
        X, y = validate_data(
            self,
            given[0],
            given[1],
            accept_sparse="csr",
            dtype="numeric",
            multi_output=True,
            y_numeric=self._wants_numbers,
            reset=False,
        )
        weights = given[2] if len(given) == 3 else None
        if y.ndim == 2 and y.shape[1] == 1:
            y = y.ravel()
        return Rows(X, self._encode(y), self._row_weights(X, y, weights))

    def _fit_lbfgs(
        self,
        net: Network,
        data: Rows,
        random: np.random.RandomState,
        is_partial: bool,
        callbacks: list[Any],
    ) -> None:
        search = Search(self, net, data, self._constant(data), self._validation_rows(), callbacks)
        search.run()

    def _record_validation(
        self, net: Network, logs: Mapping[str, float], valid: Rows, constant: float
    ) -> float:
        """Add to the curves of the validation data; return the score."""
        score = self._validation_score(net, logs, valid)
        if self.validation_scores_ is not None and self.validation_loss_curve_ is not None:
            self.validation_scores_.append(score)
            self.validation_loss_curve_.append(logs["val_loss"] + constant)
        if self.verbose:
            print(f"Validation score: {score:f}")  # noqa: T201 - asked for
        best = self.best_validation_score_
        self.best_validation_score_ = score if best is None else max(best, score)
        return score

    def _check_parameters(self) -> None:
        for name, (wanted, fits) in _ALLOWED.items():
            value = getattr(self, name)
            if not fits(value):
                raise ValueError(f"{name} is {wanted}; got {value!r}")
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(unknown(name, str(getattr(self, name)), choices))
        if self.optimizer is not None and self.solver == "lbfgs":
            raise ValueError("optimizer is given, and solver='lbfgs' takes none: leave one out")
        if self.solver == "lbfgs" and np.any(np.asarray(self.dropout) != 0):
            raise ValueError(
                "solver='lbfgs' minimises one function, and with dropout every call of it is "
                "another one: leave dropout at 0, or take solver='adam'"
            )

    # --- Predicting -----------------------------------------------------------------------

    def _outputs(self, X: Any) -> FloatArray:
        """Return a(L), (N, D(L))."""
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype="numeric", reset=False)
        return predict_blocks(self._ready(), X)

    def _ready(self) -> Network:
        """Return the network, with the arrays that were put into coefs_ since."""
        for m, layer in enumerate(self.network_.layers):
            if self.coefs_[m] is not self._views[m]:
                layer.W = np.asarray(self.coefs_[m]).T
            if self.intercepts_[m] is not self._views[len(self.coefs_) + m]:
                layer.b = self.intercepts_[m]
        return self.network_

    # --- Storing --------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "network_" in state:
            state["network_"] = self._ready().copy()
            for name in ("coefs_", "intercepts_", "_views"):
                del state[name]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        net = state.pop("network_", None)
        super().__setstate__(state)
        if net is not None:
            self._show(net)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
