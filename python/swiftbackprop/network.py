"""`Network`, the public class."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import FunctionType
from typing import TYPE_CHECKING, Any, NoReturn, Self

import numpy as np
import numpy.typing as npt

from swiftbackprop._engine.loader import core
from swiftbackprop._export.mixin import NetworkExchange
from swiftbackprop._inspect.mixin import NetworkStudy
from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.checks import as_flag, as_int
from swiftbackprop._net.initial_weights import InitializerLike
from swiftbackprop._net.labels import as_classes
from swiftbackprop._net.names import known_keywords, meant, without_effect
from swiftbackprop._net.normalization import NormLike
from swiftbackprop._net.pickling import PicklableNetwork
from swiftbackprop._net.rule import known
from swiftbackprop._net.spec import (
    ActivationLike,
    LossLike,
    OptimizerLike,
    as_seed,
    make_spec,
    warn_of_clipping,
)
from swiftbackprop._train.callback import CallbackLike
from swiftbackprop._train.communicator import together
from swiftbackprop._train.evaluation import evaluate_arrays
from swiftbackprop._train.history import History
from swiftbackprop._train.options import Options, as_progress
from swiftbackprop._train.row_stream import RowStream
from swiftbackprop._train.rows import fit_data
from swiftbackprop.metrics import MetricLike

__all__ = ["Network"]


class Network(NetworkExchange, NetworkStudy, PicklableNetwork):
    r"""A feed-forward network of dense layers m = 1..L.

    z(m) = W(m) a(m-1) + b(m) and a(m) = σ(z(m)); a batch is N rows, a(0) is X. The cost
    C is the mean of the rows' losses, and every gradient is of this C.

    Parameters
    ----------
    sizes : sequence of int
        D(0), ..., D(L): the inputs, the units of every hidden layer, the outputs.
    activation : str, Activation or list of these, default "relu"
        Of all hidden layers, or one for each; see `activations`.
    output : str or Activation, optional
        The activation of layer L. By default the partner of `loss`: softmax for
        cross_entropy, sigmoid for binary_cross_entropy, exp for poisson, else identity.
    loss : str or Loss, optional
        See `losses`. By default the one whose partner `output` is, else squared_error.
    optimizer : str or Optimizer, optional
        A recipe such as ``sb.Adam(1e-3)``, which is the default; see `optimizers`.
    dtype : {"float32", "float64"}, default "float32"
        Of all numbers in the network.
    seed : int, optional
        In 0..2**64-1; of initial weights and shuffling. By default one is drawn, to be
        seen in `seed`. The same seed gives the same stream on every platform.
    initializer : str, Initializer, list of these or of pairs (W, b), optional
        The initial weights; see `initializers`. By default he_normal before the relu
        family and glorot_uniform elsewhere; b is 0.
    l1, l2 : float, default 0
        The objective is C + l2/2 Σ W² + l1 Σ \|W\|, without b.
    clip_norm : float, optional
        The limit of the norm of all gradients together, applied in `step`.
    max_norm : float, optional
        The limit of the norm of every row of W, which holds after every `step`.
    dropout : float or list of float, default 0
        The probability to drop a unit in training: a number for all hidden layers, or a list
        with one for each layer or each hidden one. What is kept is divided by 1 - p, so that
        `predict` and `evaluate` need no other weights.
    norm : {"batch", "layer"}, BatchNorm, LayerNorm, or list of these, optional
        Normalisation: one for all hidden layers, or a list with one, or None, for each layer or
        each hidden one. It belongs to its layer, before σ unless the recipe asks otherwise.
    input_scale : float, default 1
        What integers in X are multiplied with wherever X is read, 1/255 for images of
        uint8, say. Floating-point X is taken as it is.
    precision : {"float32", "bf16x3", "bf16x2", "bfloat16", "auto"}, optional
        What the factors of matrix products are rounded to in `forward`, `backward`, `fit` and
        what else goes over the layers; sums, z, a, gradients and W stay float32. "bfloat16" has
        8 significant bits, "bf16x2" 16 and "bf16x3" 24, as many as float32: sums of two and of
        three bfloat16. "auto" takes "bf16x3" where this CPU multiplies faster so. By default
        nothing is rounded; see `plan` for who multiplies. Can be set later.

    Attributes
    ----------
    sizes, dtype, seed
        As given.
    parameters, gradients : ndarray, shape (P,)
        Live views of all W and b, of gamma and beta where layers are normalised, and of their
        gradients.
    layers : sequence of Layer
        Layers 1..L, ``layers[m - 1].m == m``.
    optimizer : LiveOptimizer
        ``net.optimizer.lr = 1e-4`` changes the next step.
    history : History or None
        Of the last `fit`.

    Raises
    ------
    ValueError, TypeError
        If an argument is not allowed; the message says what is.
    MemoryError
        If the network is larger than the memory there is.

    Warns
    -----
    UserWarning
        If a loss with a logarithm stands on an output that is not its partner.

    Notes
    -----
    The names and formulas are those of the CSC311 slides on vectorizing backpropagation.

    Examples
    --------
    >>> import numpy as np, swiftbackprop as sb
    >>> X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float32)
    >>> y = np.array([0, 1, 1, 0])
    >>> net = sb.Network([2, 8, 2], activation="tanh", loss="cross_entropy", seed=0,
    ...                  optimizer=sb.Adam(0.05))
    >>> history = net.fit(X, y, epochs=200, progress=False)
    >>> net.predict_classes(X)
    array([0, 1, 1, 0])
    """

    _history: History | None

    @known_keywords
    def __init__(
        self,
        sizes: Sequence[int],
        *,
        activation: ActivationLike | Sequence[ActivationLike] = "relu",
        output: ActivationLike | None = None,
        loss: LossLike | None = None,
        optimizer: OptimizerLike | None = None,
        dtype: npt.DTypeLike = "float32",
        seed: int | None = None,
        initializer: InitializerLike | None = None,
        l1: float = 0.0,
        l2: float = 0.0,
        clip_norm: float | None = None,
        max_norm: float | None = None,
        dropout: float | Sequence[float] = 0.0,
        norm: NormLike | Sequence[NormLike] = None,
        input_scale: float = 1.0,
        precision: str | None = None,
    ) -> None:
        spec = make_spec(
            sizes=sizes,
            activation=activation,
            output=output,
            loss=loss,
            optimizer=optimizer,
            dtype=dtype,
            initializer=initializer,
            l1=l1,
            l2=l2,
            clip_norm=clip_norm,
            norm=norm,
        )
        self._build(spec, as_seed(seed))
        self.max_norm, self.dropout, self.input_scale = max_norm, dropout, input_scale
        self.precision = precision
        self._start()
        warn_of_clipping(spec)

    def _start(self) -> None:
        """Write the initial weights that were given as arrays."""
        if self._spec.start:
            for layer, (W, b) in zip(self.layers, self._spec.start, strict=True):
                layer.W, layer.b = W, b

    # --- Whole data sets ------------------------------------------------------------------

    def __call__(self, X: npt.ArrayLike, *, copy: bool | None = None) -> FloatArray:
        """Return `predict` (X)."""
        return self.predict(X, copy=copy)

    @known_keywords
    def predict_classes(self, X: npt.ArrayLike, *, copy: bool | None = None) -> npt.NDArray[Any]:
        """Return the class of every row of X.

        Parameters
        ----------
        X : array_like, shape (N, D(0))
        copy : bool or None, default None
            As for `predict`.

        Returns
        -------
        ndarray of int64, or of text, shape (N,)
            The place of the largest output; with a single output 1 where it is at least
            1/2, else 0. The label of the class, if the network was trained with labels of text
            (`classes_`). For several labels a row write ``net.predict(X) >= 0.5``.
        """
        a = self.predict(X, copy=copy)
        single = a.shape[1] == 1
        classes = a[:, 0] >= 0.5 if single else np.argmax(a, axis=1)
        numbers = np.asarray(classes, np.int64)
        return numbers if self._classes is None else self._classes[numbers]

    @known_keywords
    def predict_proba(self, X: npt.ArrayLike, *, copy: bool | None = None) -> FloatArray:
        """Return the probability of every class, as scikit-learn's classifiers do.

        Parameters
        ----------
        X : array_like, shape (N, D(0))
        copy : bool or None, default None
            As for `predict`.

        Returns
        -------
        ndarray, shape (N, K)
            The outputs; of a single one the columns 1 - a(L) and a(L).

        Raises
        ------
        ValueError
            If the outputs are no probabilities, as those of identity are not.

        Examples
        --------
        >>> import numpy as np, swiftbackprop as sb
        >>> sb.Network([2, 1], output="sigmoid", seed=0).predict_proba(np.zeros((1, 2)))
        array([[0.5, 0.5]], dtype=float32)
        """
        output = self.layers[-1].activation.name
        probable = {
            rule.canonical_output for rule in known(core.LOSS).values() if _classifies(rule.flags)
        }
        if output not in probable:
            raise ValueError(
                f"the outputs of {output} are no probabilities: make the network with output="
                f"{' or '.join(map(repr, sorted(probable)))}, or write predict(X)"
            )
        a = self.predict(X, copy=copy)
        return np.hstack([1 - a, a]) if a.shape[1] == 1 else a

    @known_keywords
    def score(
        self,
        X: npt.ArrayLike | Iterable[Any],
        y: npt.ArrayLike | None = None,
        sample_weight: npt.ArrayLike | None = None,
    ) -> float:
        """Return the accuracy, or for losses of numbers r2, as scikit-learn's estimators do.

        Parameters
        ----------
        X, y, sample_weight
            As for `evaluate`, whose ``accuracy`` or ``r2`` it is.

        Returns
        -------
        float

        Examples
        --------
        >>> import numpy as np, swiftbackprop as sb
        >>> net = sb.Network([1, 1], initializer=[([[2.0]], [0.0])])
        >>> net.score(np.array([[1.0], [2.0]]), np.array([2.0, 4.0]))
        1.0
        """
        found = self.evaluate(X, y, sample_weight=sample_weight)
        return found["accuracy"] if _classifies(self.loss.flags) else found["r2"]

    @property
    def classes_(self) -> npt.NDArray[Any] | None:
        """The labels of text of the classes, in the order of the outputs; None without any.

        `fit` finds them, sorted, in the first y that holds text. Set them to all labels before
        that if the data come in pieces, or lack some.
        """
        return None if self._classes is None else self._classes.copy()

    @classes_.setter
    def classes_(self, labels: Iterable[str] | None) -> None:
        self._classes = None if labels is None else as_classes(self, labels)

    @known_keywords
    def evaluate(
        self,
        X: npt.ArrayLike | Iterable[Any],
        y: npt.ArrayLike | None = None,
        *,
        sample_weight: npt.ArrayLike | None = None,
        metrics: Iterable[MetricLike] = (),
    ) -> dict[str, float]:
        """Return the cost and the metrics over a data set.

        Parameters
        ----------
        X : array_like, shape (N, D(0)), or swiftbackprop.data.Stream
            A stream is read piece by piece, and brings y and weights with it.
        y : array_like, shape (N, D(L)) or (N,)
            As for `backward`.
        sample_weight : array_like, shape (N,), optional
        metrics : list of str or callable
            More metrics, as in `swiftbackprop.metrics`: "accuracy", "top_3", "mae", "rmse",
            "r2", "auc", or functions ``f(y, a)`` of targets and outputs. An accuracy that the
            network reports anyway stays its own.

        Returns
        -------
        dict
            ``loss``, the cost C without penalties, and for the cross-entropies
            ``accuracy``, for other losses ``mse``, ``mae`` and ``r2``; then `metrics`.

        Raises
        ------
        ValueError, TypeError
            If the data do not fit.
        DivergenceError
            If a weight or an output is NaN or infinite.

        Examples
        --------
        >>> import numpy as np, swiftbackprop as sb
        >>> net = sb.Network([1, 1], initializer=[([[2.0]], [0.0])])
        >>> net.evaluate(np.array([[1.0], [2.0]]), np.array([2.0, 3.0]))["mse"]
        0.5
        """
        if isinstance(X, RowStream):
            if y is not None or sample_weight is not None:
                raise ValueError("y and weights come with the stream: give it alone")
            from swiftbackprop._train.stream_validation import evaluate_stream

            return evaluate_stream(self, X, metrics)
        return evaluate_arrays(self, X, y, sample_weight, metrics)

    @known_keywords
    def fit(
        self,
        X: npt.ArrayLike | Iterable[Any] | Callable[[], Iterable[Any]],
        y: npt.ArrayLike | None = None,
        *,
        epochs: int = 10,
        batch_size: int | None = None,
        shuffle: bool | str = True,
        validation_data: Sequence[npt.ArrayLike] | Iterable[Any] | None = None,
        validation_split: float = 0.0,
        sample_weight: npt.ArrayLike | None = None,
        class_weight: Mapping[Any, float] | str | None = None,
        metrics: Iterable[MetricLike] = (),
        callbacks: Iterable[CallbackLike] = (),
        progress: bool = True,
        steps_per_epoch: int | None = None,
        stratify: bool = False,
        verbose: bool | int | str | None = None,
        comm: Any = None,
    ) -> History:
        """Train for whole epochs inside the engine.

        It goes on from the weights, the optimizer's state and the random numbers that
        are there. Arrays of any numeric dtype are converted one minibatch at a time.
        Ctrl-C or `stop` end it within 50 ms and a batch and leave a network that can be
        used; what was recorded so far is in `history`.

        Parameters
        ----------
        X : array_like, shape (N, D(0)), or iterable of (X, y) or (X, y, sample_weight)
            Without `y`: a stream of rows from files, see `swiftbackprop.data`; or pieces of the
            data, such as a list of shards, or batches from a
            generator or a data loader. A function that returns an iterator is called for every
            epoch. An iterator, which can be read only once, needs one epoch or
            `steps_per_epoch`.
        y : array_like, shape (N, D(L)) or (N,), optional
            As for `backward`; or labels of text, (N,), which become `classes_`.
        epochs : int, default 10
            How often all rows are used.
        batch_size : int, default 32
            Rows of a minibatch; the last of an epoch, or of a piece, may be shorter. Without it
            a piece is a batch as a whole.
        shuffle : bool or "even", default True
            Draw a new order of the rows for every epoch. Pieces keep their order; the rows of
            each are shuffled. With "even" every minibatch has one row, at random, of each of
            `batch_size` parts of X: for rows that are sorted, and for equal shares of the
            processes of `comm`.
        validation_data : (X, y) or (X, y, sample_weight), or swiftbackprop.data.Stream, optional
            Evaluated at the end of every epoch.
        validation_split : float, default 0
            In [0, 1): the fraction of rows, the last ones, to validate on instead. A warning
            says so if these lack a class, or have one alone, as in rows sorted by class.
        sample_weight : array_like, shape (N,), optional
            Weights of at least 0.
        class_weight : dict of int (or label of text) to float, or "balanced", optional
            Factors of the rows' weights by their class, in training and in validation; 1 for
            classes that are missing. "balanced" is N / (K·count), as in scikit-learn.
        metrics : list of str or callable
            As for `evaluate`: columns ``val_...`` of the history, from the outputs on the
            validation data after every epoch.
        callbacks : iterable of Callback or callable
            See `Callback`. A callable is called as ``f(net, epoch, logs)`` at the end of
            every epoch, and ends the training by returning True.
        progress : bool, default True
            Show a progress bar, in a terminal or a notebook.
        steps_per_epoch : int, optional
            How many pieces, of a stream minibatches, make an epoch; by default as many as there
            are. The next epoch goes on behind them, and from the start again when there are no
            more.
        stratify : bool, default False
            Take for `validation_split` the last rows of every class, as copies.
        verbose : bool or int, optional
            Another word for `progress`, as in Keras: 0 for no bar.
        comm : mpi4py.MPI.Comm, optional
            Train with all processes of this communicator, such as ``MPI.COMM_WORLD``: each gives
            its own rows, also none, or a stream or pieces of its own, and the other arguments
            alike. They begin with the network of process 0; batches, C and the history are of the
            rows of all, and afterwards all have the same weights. What writes or shows does so
            on process 0 alone.

        Returns
        -------
        History
            ``history["loss"]`` and so on, one entry for each epoch.

        Raises
        ------
        ValueError, TypeError
            If an argument does not fit; then nothing was trained. What is wrong with a piece is
            seen when its turn comes.
        DivergenceError
            If NaN or infinity arises; the weights are those before the bad step.
        KeyboardInterrupt
            After Ctrl-C.

        Examples
        --------
        >>> import numpy as np, swiftbackprop as sb
        >>> X = np.linspace(-1, 1, 50)[:, None]
        >>> net = sb.Network([1, 16, 1], activation="tanh", seed=0)
        >>> history = net.fit(X, X[:, 0] ** 2, epochs=3, progress=False)
        >>> len(history["loss"])
        3
        """
        with together(comm) as processes:
            options = Options(
                epochs=epochs,
                batch_size=batch_size,
                shuffle=shuffle,
                callbacks=callbacks,
                progress=as_progress(progress, verbose),
                metrics=metrics,
                processes=processes,
            )
            return fit_data(
                self,
                X,
                y,
                options,
                steps=steps_per_epoch,
                stratify=as_flag(stratify, "stratify"),
                class_weight=class_weight,
                sample_weight=sample_weight,
                validation_data=validation_data,
                validation_split=validation_split,
            )

    @known_keywords
    def plan(
        self, X: npt.ArrayLike | None = None, *, batch_size: int = 32, shuffle: bool = True
    ) -> str:
        """Say how `fit` would run a step: threads, who multiplies, and what happens to X.

        Depends on sizes, the engine's level and the number of threads allowed alone, never on
        timing. Matrix products are made by tiles of the engine's own, which read the numbers
        where they lie, or by BLAS, which copies them into an order of its own first; the plan
        says for each one who makes it, and why.

        Parameters
        ----------
        X : array_like, shape (N, D(0)), optional
            The data, to hear how they are read.
        batch_size : int, default 32
        shuffle : bool, default True

        Returns
        -------
        str

        Examples
        --------
        >>> import swiftbackprop as sb
        >>> print(sb.Network([4, 10, 3], seed=0).plan(batch_size=16).splitlines()[0])
        A step on 16 rows takes 6.72 kFLOP in matrix products.
        """
        from swiftbackprop._net.step_plan import plan

        return plan(self, X, as_int(batch_size, "batch_size", min_=1), shuffle)

    def stop(self) -> None:
        """End the running `fit` at its next batch; from a callback or another thread."""
        self._stopped = True

    @property
    def history(self) -> History | None:
        """The record of the last `fit`."""
        return self._history

    # --- Life -----------------------------------------------------------------------------

    def reset(self, seed: int | None = None) -> None:
        """Draw new initial weights and forget gradients, optimizer state and history.

        Parameters
        ----------
        seed : int, optional
            As for `Network`. Initial weights that were given as arrays come back.
        """
        number = as_seed(seed)
        self._reset(number)
        self._seed, self._history, self._classes = number, None, None
        self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    if not TYPE_CHECKING:  # which would take any attribute for one that is there

        def __getattr__(self, name: str) -> NoReturn:
            hint = "" if name.startswith("_") else meant("attribute", name, _public(type(self)))
            raise AttributeError(
                f"{type(self).__name__!r} has no attribute {name!r}{f': {hint}' if hint else ''}"
            )

        def __setattr__(self, name: str, value: Any) -> None:
            # One's own attributes are welcome, but not those that look as if they did something.
            if type(self) is Network and name[:1] != "_":
                why = without_effect(name, type(self))
                if why:
                    raise AttributeError(f"{name} cannot be set: {why}")
            super().__setattr__(name, value)

    # --- How it shows itself --------------------------------------------------------------

    def summary(self) -> str:
        """Return a table of the layers, to be printed or shown."""
        from swiftbackprop._net import repr

        return repr.summary(self)

    def __repr__(self) -> str:
        from swiftbackprop._net import repr

        return repr.short(self)

    def _repr_html_(self) -> str:
        from swiftbackprop._inspect import html

        return html.html(self)


def _public(kind: type) -> list[str]:
    return [name for name in dir(kind) if not name.startswith("_")]


def _classifies(flags: int) -> bool:
    return bool(flags & core.RULE_CLASSES)


def _name_methods() -> None:
    """Let Python's own errors about arguments name the class that users know."""
    parts = (kind for kind in Network.__mro__ if kind.__module__.startswith("swiftbackprop."))
    for function in (value for kind in parts for value in vars(kind).values()):
        while isinstance(function, FunctionType):
            function.__qualname__ = f"{Network.__name__}.{function.__name__}"
            function = getattr(function, "__wrapped__", None)


_name_methods()
