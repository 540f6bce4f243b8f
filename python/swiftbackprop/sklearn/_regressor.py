"""`MLPRegressor`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.special import xlogy
from sklearn.base import RegressorMixin

from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.names import known_keywords
from swiftbackprop._net.rules import Activation, Loss, as_rule
from swiftbackprop._net.spec import ActivationLike, LossLike, OptimizerLike
from swiftbackprop._train.callback import CallbackLike
from swiftbackprop.metrics import r2
from swiftbackprop.network import Network
from swiftbackprop.sklearn._base import Estimator, of_minibatches
from swiftbackprop.sklearn._callbacks import with_callbacks
from swiftbackprop.sklearn._rows import Rows, predict_blocks


def _outputs_of(y: Any) -> int:
    return 1 if y.ndim == 1 else int(y.shape[1])


class MLPRegressor(RegressorMixin, Estimator):  # type: ignore[misc]
    """A network that tells numbers: one or several a row.

    Parameters
    ----------
    loss : str or Loss, default "squared_error"
        "squared_error", "poisson" (with y of at least 0 and exp on the output), or any
        other of `swiftbackprop.losses`.
    hidden_layer_sizes : int or sequence of int, default (100,)
        The units of each hidden layer.
    activation : str, Activation or list of these, default "relu"
        Of all hidden layers, or one for each: scikit-learn's "identity", "logistic",
        "tanh", "relu", or any of `swiftbackprop.activations`.
    solver : {"adam", "sgd", "lbfgs"}, default "adam"
        In scikit-learn's forms.
    alpha : float, default 0.0001
        The penalty is alpha/2 ΣW² / Σw, with the Σw of each minibatch (its number of rows).
    batch_size : int or "auto", default "auto"
        Rows of a minibatch; "auto" is 200, or all if there are fewer.
    learning_rate : {"constant", "invscaling", "adaptive"}, default "constant"
        For solver="sgd": lr stays, or is learning_rate_init / (t + 1)^power_t after t rows,
        or is divided by 5 where training would have stopped.
    learning_rate_init : float, default 0.001
    power_t : float, default 0.5
    max_iter : int, default 200
        Epochs, or iterations of lbfgs, at most.
    shuffle : bool, default True
        Draw a new order of the rows for every epoch.
    random_state : int, RandomState or None, default None
        The initial weights and the rows set apart are scikit-learn's of the same number.
    tol : float, default 1e-4
        What counts as an improvement; for lbfgs the limit of the gradient.
    verbose : bool, default False
        Print a line for each epoch.
    warm_start : bool, default False
        Go on from what the last `fit` has left.
    momentum : float, default 0.9
    nesterovs_momentum : bool, default True
    early_stopping : bool, default False
        Set rows apart, stop when their score improves no more, and keep the best weights.
    validation_fraction : float, default 0.1
        The share of rows set apart.
    beta_1, beta_2, epsilon : float, default 0.9, 0.999 and 1e-8
        Of solver="adam".
    n_iter_no_change : int, default 10
        So many epochs without improvement are allowed.
    max_fun : int, default 15000
        Calls of the objective by lbfgs, at most.

    Other Parameters
    ----------------
    dropout : float or list of float, default 0
        The probability to drop a unit in training, of all hidden layers or of each; not with
        lbfgs.
    validation_data : (X, y) or (X, y, sample_weight), optional
        Evaluated after every epoch; early_stopping takes it and sets no rows apart. No Pipeline
        transforms it: see X_val of `fit`.
    scoring : str, callable or None, default None
        What is computed on the rows to validate on, and what early_stopping goes by: None for
        what `score` gives, "loss" for the loss with its sign changed, the name of a scorer of
        scikit-learn's, or a function ``scorer(estimator, X, y)``. More is better.
    callbacks : list of Callback or callable, optional
        As for `Network.fit`. Weights that one puts back, as `EarlyStopping` does, stay, also
        with early_stopping=True.
    optimizer : Optimizer or str, optional
        Any of `swiftbackprop.optimizers`, in place of `solver` and what belongs to it.
    dtype : {"float32", "float64"}, optional
        Of all numbers in the network. By default float32 for an X of float32, or where
        `precision` asks for it, else float64.
    precision : {"float32", "bf16x3", "bf16x2", "bfloat16", "auto"}, optional
        What the factors of matrix products are rounded to, as in `Network`.

    Attributes
    ----------
    coefs_, intercepts_ : list of ndarray
        W(m)ᵀ, (D(m-1), D(m)), and b(m), (D(m),), of every layer: live views of the network.
        Arrays that are put in their place are used as well.
    network_ : Network
        The network itself, with everything there is to look at and to train.
    loss_, loss_curve_, best_loss_ : float, list, float
        The objective of the last epoch, of each, and the least.
    validation_scores_, best_validation_score_, validation_loss_curve_
        The score (`scoring`) of the rows to validate on, the best one, and their loss without
        the penalty; None without such rows.
    n_iter_, t_ : int
        Epochs of the last `fit`, and rows seen in all.
    n_layers_, n_outputs_, n_features_in_ : int
    feature_names_in_ : ndarray of str
        If X has such names.
    out_activation_ : str

    Notes
    -----
    The objective is Σ wₙCₙ / Σ wₙ + alpha/2 ΣW² / Σ wₙ for each minibatch, Cₙ = ½ Σ (a − t)²
    over the outputs; ``loss_curve_`` holds its mean over an epoch. For poisson it adds
    t ln t − t to Cₙ, as scikit-learn does: 0 is a perfect fit.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.preprocessing import scale
    >>> from swiftbackprop.sklearn import MLPRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = MLPRegressor(hidden_layer_sizes=8, solver="lbfgs", max_iter=2000, alpha=1,
    ...                      random_state=0)
    >>> model.fit(scale(X), scale(y)).score(scale(X), scale(y)) > 0.5
    True
    """

    _wants_numbers = True
    _other_measures = "scale y as well; or give scoring='loss'"

    @known_keywords
    def __init__(
        self,
        loss: LossLike = "squared_error",
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: ActivationLike | Sequence[ActivationLike] = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        dropout: float | Sequence[float] = 0.0,
        validation_data: Sequence[Any] | None = None,
        scoring: Any = None,
        callbacks: Iterable[CallbackLike] | None = None,
        optimizer: OptimizerLike | None = None,
        dtype: npt.DTypeLike | None = None,
        precision: str | None = None,
    ) -> None:
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.dropout = dropout
        self.validation_data = validation_data
        self.scoring = scoring
        self.callbacks = callbacks
        self.optimizer = optimizer
        self.dtype = dtype
        self.precision = precision

    @with_callbacks
    @known_keywords
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
        comm: Any = None,
    ) -> Self:
        """Learn from the rows of X and their targets.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (N, D(0))
            Numbers of any type, or a frame of them.
        y : array_like, shape (N,) or (N, D(L))
        sample_weight : array_like, shape (N,), optional
            Weights of at least 0.
        X_val, y_val, sample_weight_val : array_like, optional
            Rows to validate on, as `validation_data`. A Pipeline transforms X_val if it is told
            to: ``Pipeline(steps, transform_input=["X_val"])``.
        comm : mpi4py.MPI.Comm, optional
            Train with all processes of this communicator, as `Network.fit` does. Every process
            gives all rows, the same ones, and computes with its share of them.

        Returns
        -------
        self
        """
        return self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val), comm=comm)

    @of_minibatches
    @known_keywords
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one epoch on these rows and keep the optimizer's state.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.

        Returns
        -------
        self
        """
        return self._fit(X, y, sample_weight, is_partial=True)

    def predict(self, X: Any) -> FloatArray:
        """Return the outputs of every row, (N,) or (N, D(L))."""
        a = self._outputs(X)
        return a[:, 0] if a.shape[1] == 1 else a

    # --- What targets mean ----------------------------------------------------------------

    def _read_targets(self, y: Any, *, first: bool, is_partial: bool) -> FloatArray:
        if first:
            self.n_outputs_ = _outputs_of(y)
        return self._encode(y)

    def _encode(self, y: Any) -> FloatArray:
        if _outputs_of(y) != self.n_outputs_:
            raise ValueError(
                f"y has {_outputs_of(y)} outputs a row, and the estimator {self.n_outputs_}"
            )
        return np.asarray(y)

    def _decode(self, y: FloatArray) -> FloatArray:
        return y

    def _output_and_loss(self) -> tuple[Activation, Loss]:
        rule = as_rule(Loss, self.loss, "loss")
        return Activation(rule.partner), rule

    def _constant(self, data: Rows) -> float:
        if self._output_and_loss()[1].name != "poisson":
            return 0.0
        t = data.y.reshape(len(data), -1)
        return float(np.average((xlogy(t, t) - t).sum(axis=1), weights=data.weights))

    def _default_score(self, net: Network, valid: Rows) -> float:
        if len(valid) < 2:
            return math.nan  # as `score`
        return r2(valid.y, predict_blocks(net, valid.X), valid.weights)
