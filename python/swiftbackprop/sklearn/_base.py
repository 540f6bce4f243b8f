"""What MLPClassifier and MLPRegressor have in common."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from copy import copy, deepcopy
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np
from sklearn.base import BaseEstimator, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from swiftbackprop._engine.loader import core
from swiftbackprop._export.sklearn_models import mlp
from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.caller import outside
from swiftbackprop._net.rules import Activation, Loss
from swiftbackprop._train.communicator import together
from swiftbackprop.network import Network
from swiftbackprop.sklearn._callbacks import CallbackSupportMixin, FitTask
from swiftbackprop.sklearn._labels import check_data
from swiftbackprop.sklearn._lbfgs import Search
from swiftbackprop.sklearn._network import (
    OUTPUTS,
    adopt,
    as_activations,
    as_hidden_layers,
    draw_weights,
    dtype_of,
    make_optimizer,
)
from swiftbackprop.sklearn._parameters import check_parameters, random_state_of
from swiftbackprop.sklearn._reading import read, row_weights, split, validation_rows
from swiftbackprop.sklearn._rows import Rows, agree_on_rows, predict_blocks
from swiftbackprop.sklearn._scoring import Scoring
from swiftbackprop.sklearn._stochastic import StoppingRules, train

if TYPE_CHECKING:
    from swiftbackprop._train.processes import Processes

# What a fitted estimator of scikit-learn has beside its weights.
_KEPT = (
    "best_loss_",
    "best_validation_score_",
    "feature_names_in_",
    "loss_",
    "loss_curve_",
    "n_iter_",
    "t_",
    "validation_scores_",
)


_F = TypeVar("_F", bound=Callable[..., Any])


def _same(one: Any, other: Any) -> bool:
    return one is other or (isinstance(one, str) and one == other)


def _is_stochastic(estimator: BaseEstimator) -> bool:
    """Whether an estimator has `partial_fit`, which `available_if` asks."""
    if estimator.solver == "lbfgs":
        raise AttributeError("partial_fit goes by minibatches, and solver='lbfgs' does not")
    return True


def of_minibatches(method: _F) -> _F:
    """Return a method that is there where the solver goes by minibatches, with its type."""
    decorated: _F = available_if(_is_stochastic)(method)
    return decorated


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
    _other_measures: str  # what to do where the score says little
    network_: Network
    n_outputs_: int
    _scored_by: Any  # the `scoring` of the scores so far
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

    def _decode(self, y: FloatArray) -> Any:
        """Return the targets that `_encode` was given."""
        raise NotImplementedError

    def _default_score(self, net: Network, valid: Rows) -> float:
        """Return what `score` gives on these rows."""
        raise NotImplementedError

    def _constant(self, data: Rows) -> float:
        """Return what the reported loss has beside C and the penalty."""
        return 0.0

    def _weigh_classes(self, y: FloatArray) -> None:
        """Find the weights of the classes, for the encoded y of `fit`."""

    def _with_class_weights(self, y: FloatArray, weights: FloatArray | None) -> FloatArray | None:
        return weights

    def _stratifies(self) -> bool:
        return False

    # --- Fitting --------------------------------------------------------------------------

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        validation: Sequence[Any] = (None, None, None),
        *,
        is_partial: bool = False,
        comm: Any = None,
    ) -> Self:
        with together(comm) as processes:
            check_parameters(self)
            if self.early_stopping and is_partial:
                raise ValueError("partial_fit does not support early_stopping=True")
            first = not hasattr(self, "coefs_") or not (self.warm_start or is_partial)
            old = None if first else self._ready()
            X, y = read(self, X, y, ("X", "y"), reset=first)
            encoded = self._read_targets(y, first=first, is_partial=is_partial)
            self._weigh_classes(encoded)
            data = Rows(X, encoded, row_weights(self, X, encoded, sample_weight))
            valid = validation_rows(self, validation)
            random = random_state_of(self)
            if processes is not None:
                agree_on_rows(self, data, valid, processes)
                random.set_state(processes.from_first(random.get_state()))  # the same draws
            net = self._make_network(data, old, random, is_partial)
            self._show(net)
            self._begin(first, is_partial, validates=self.early_stopping or valid is not None)
            task = FitTask(self, X, y, sample_weight, is_partial)
            hooks, constant = task.callbacks(), self._constant(data)
            try:
                if self.solver == "lbfgs":
                    Search(self, net, data, constant, valid, hooks, processes).run()
                else:
                    self._fit_stochastic(net, data, valid, random, is_partial, hooks, processes)
            except FloatingPointError as error:
                raise ValueError(
                    "Solver produced non-finite parameter weights. The input data may contain "
                    f"large values and need to be preprocessed. ({error})"
                ) from error
            except KeyboardInterrupt:
                warnings.warn("Training interrupted by user.", stacklevel=outside())
            task.end()
            return self

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
        # Only of float32 are factors rounded.
        dtype = self.dtype if self.precision is None else "float32"
        net = Network(
            sizes,
            activation=as_activations(self.activation, len(hidden)),
            output=output,
            loss=loss,
            optimizer=make_optimizer(self),
            dtype=dtype_of(dtype, data.X) if old is None or dtype else old.dtype,
            # Of a copy: the draws that follow stay scikit-learn's.
            seed=int(deepcopy(random).randint(2**31)),
            initializer="zeros",
            l2=float(self.alpha),
            dropout=self.dropout,
            precision=self.precision,
        )
        net._set_option(core.OPTION_PENALTY_PER_SAMPLE, 1.0)  # alpha / Σw of each minibatch
        if old is None:
            draw_weights(net, random, self.activation)
            return net
        adopt(net, old, state=is_partial)
        if is_partial and make_optimizer(self) == self._started_with:
            net.optimizer.lr = old.optimizer.lr  # where its schedule has brought it
        return net

    def _show(self, net: Network) -> None:
        """Set the attributes that are the network, views of it, or known from it."""
        self.network_ = net
        self.coefs_ = [layer.W.T for layer in net.layers]
        self.intercepts_ = [layer.b for layer in net.layers]
        self._views = (*self.coefs_, *self.intercepts_)
        self.n_layers_ = len(net.sizes)
        name = net.layers[-1].activation.name
        self.out_activation_ = OUTPUTS.get(name, name)

    def _begin(self, first: bool, is_partial: bool, *, validates: bool) -> None:
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
        if validates and self.validation_scores_ is None:
            self.validation_loss_curve_, self.validation_scores_ = [], []
            self.best_validation_score_ = -np.inf
        elif validates and not _same(self._scored_by, self.scoring):
            # Scores of another measure say nothing of these.
            self.validation_scores_, self.best_validation_score_ = [], -np.inf
        self._scored_by = self.scoring
        if self.early_stopping:
            self.best_loss_ = None
        elif self.best_loss_ is None:
            self.best_loss_ = np.inf

    def _fit_stochastic(
        self,
        net: Network,
        data: Rows,
        valid: Rows | None,
        random: np.random.RandomState,
        is_partial: bool,
        callbacks: list[Any],
        processes: Processes | None,
    ) -> None:
        if valid is None and self.early_stopping:
            data, valid = split(self, data, random)
        scoring = None if valid is None else Scoring(self, valid)
        shows = self.verbose and (processes is None or processes.is_first)
        watch = StoppingRules(self, net, len(data), self._constant(data), scoring, shows)
        train(self, net, data, valid, watch, callbacks, is_partial=is_partial, processes=processes)
        if self.early_stopping and scoring is not None:
            self._compare(self.best_validation_score_, scoring.of_a_guess(data))

    def _compare(self, best: float, guess: float) -> None:
        """Warn if no epoch was better than a guess, or none had a score; NaN is no guess."""
        if best == -np.inf:
            warnings.warn(
                "The validation score was NaN after every epoch, so that it has chosen none and "
                "the last weights stay. Give more rows to validate on, or another scoring.",
                ConvergenceWarning,
                stacklevel=outside(),
            )
        elif best <= guess:
            what = "the most frequent class" if is_classifier(self) else "the mean"
            warnings.warn(
                f"The validation score never rose above {guess:.4g}, which a guess of {what} has "
                "without looking at X, so that it has not chosen the best epoch. Scale X; "
                f"{self._other_measures}; or raise learning_rate_init or n_iter_no_change.",
                ConvergenceWarning,
                stacklevel=outside(),
            )

    def _record_validation(
        self, net: Network, logs: Mapping[str, float], scoring: Scoring, *, shows: bool
    ) -> float:
        """Add to the curves of the validation data; return the score."""
        loss = logs["val_loss"] + scoring.constant
        score = -loss if scoring.is_loss else scoring(net)
        if self.validation_scores_ is not None and self.validation_loss_curve_ is not None:
            self.validation_scores_.append(score)
            self.validation_loss_curve_.append(loss)
        if shows:
            print(f"Validation score: {score:f}")  # noqa: T201 - asked for
        best = self.best_validation_score_
        self.best_validation_score_ = score if best is None else max(best, score)
        return score

    # --- Predicting -----------------------------------------------------------------------

    def _outputs(self, X: Any) -> FloatArray:
        """Return a(L), (N, D(L))."""
        check_is_fitted(self)
        check_data(X, None, ("X", "y"), labels=False)
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

    # --- Going away -----------------------------------------------------------------------

    def to_sklearn(self) -> Any:
        """Return scikit-learn's own MLPClassifier or MLPRegressor, fitted to the same.

        Returns
        -------
        MLPClassifier or MLPRegressor
            Of ``sklearn.neural_network``, with copies of the weights, the classes, the curves
            and the counts, and those parameters that it has too. The optimizer's state is not
            taken over, and neither is what scikit-learn does not have: dropout, class_weight,
            validation_data, callbacks and optimizer, which predictions do not depend on.

        Raises
        ------
        ValueError
            If scikit-learn's MLP has no such network: other activations, several of them, or
            other losses.
        """
        check_is_fitted(self)
        made = mlp(self._ready(), getattr(self, "classes_", None), self.get_params(deep=False))
        for name in _KEPT:
            if getattr(self, name, None) is not None:
                setattr(made, name, copy(getattr(self, name)))
        return made

    # --- Storing --------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "network_" in state:
            net = state["network_"] = self._ready().copy()
            net.gradients[...] = 0  # no part of what was learnt, and as large
            for name in ("coefs_", "intercepts_", "_views"):
                del state[name]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        net = state.pop("network_", None)
        state.setdefault("precision", None)  # of a version that had none
        super().__setstate__(state)
        if net is not None:
            self._show(net)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
