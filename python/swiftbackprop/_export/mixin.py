"""The part of `Network` that writes files and speaks with other libraries.

Training needs none of it: every method imports what it writes with.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy.typing as npt

from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.base import NetworkBase
from swiftbackprop._net.checks import as_flag
from swiftbackprop._net.custom import refuse_own
from swiftbackprop._net.names import known_keywords

if TYPE_CHECKING:
    import torch
    from sklearn.base import BaseEstimator


CANNOT_SAVE = "pickle keeps functions that can be imported"
_HAS_WEIGHTS = "state_dict() has the weights"


class NetworkExchange(NetworkBase):
    """Files, and weights in the forms of other libraries."""

    def save(
        self, path: str | os.PathLike[str], *, optimizer: bool = True, generator: bool = True
    ) -> None:
        """Write the network to a safetensors file, which `load` reads.

        W is stored as (D(m), D(m-1)) in C order, whatever else is in the file is described
        on the page *Files*. The file appears whole or not at all.

        Parameters
        ----------
        path : str or path-like
            By custom it ends in ``.safetensors``. A file that is there is replaced.
        optimizer : bool, default True
            Store the optimizer's arrays and the number of steps. Without them the file is
            smaller, and training starts afresh from the weights.
        generator : bool, default True
            Store the state of the random numbers. With both, training goes on with the
            same bits as if it had never been interrupted.

        Raises
        ------
        ImportError
            If safetensors is not installed.
        OSError
            If the file cannot be written.
        ValueError
            If the network holds NaN or infinity.
        NotImplementedError
            If it has a function of your own, which a file cannot hold.

        See Also
        --------
        load : Read the file.
        """
        refuse_own(self._spec, "save", CANNOT_SAVE)
        from swiftbackprop._export import files

        files.save(self, path, bool(optimizer), bool(generator))

    def state_dict(self) -> dict[str, FloatArray]:
        """Return copies of the weights, by the names that PyTorch gives them.

        Returns
        -------
        dict of str to ndarray
            ``"0.weight"``, (D(1), D(0)), ``"0.bias"``, (D(1),), and so on: the number is the
            place of the Linear in the Sequential that `to_torch` makes, which counts
            activations, and norm and Dropout where a layer has them. Batch norm has
            ``weight`` and ``bias``, gamma and beta, ``running_mean``, ``running_var`` and
            ``num_batches_tracked``, which is `step_count` here and not read.

        See Also
        --------
        load_state_dict : The way back.

        Examples
        --------
        >>> import swiftbackprop as sb
        >>> for name, array in sb.Network([2, 3, 1], seed=0).state_dict().items():
        ...     print(name, array.shape)
        0.weight (3, 2)
        0.bias (3,)
        2.weight (1, 3)
        2.bias (1,)
        """
        from swiftbackprop._export import weights

        return weights.state_dict(self)

    def load_state_dict(self, state: Mapping[str, npt.ArrayLike]) -> None:
        """Write weights by PyTorch's names; the optimizer's state stays.

        Parameters
        ----------
        state : mapping of str to array_like
            As `state_dict` returns it, or the ``state_dict()`` of a Sequential of PyTorch
            that is laid out as the one that `to_torch` makes.

        Raises
        ------
        ValueError, TypeError
            If a name or a shape does not fit; then nothing was written.
        """
        from swiftbackprop._export import weights

        weights.load_state_dict(self, state)

    def get_weights(self) -> list[FloatArray]:
        """Return copies of the weights in the order and layout of Keras.

        Returns
        -------
        list of ndarray
            W(1)ᵀ of shape (D(0), D(1)), b(1), W(2)ᵀ, b(2) and so on. Every other one makes
            scikit-learn's ``coefs_`` and ``intercepts_``. A normalised layer has gamma and beta
            behind its b, and with batch norm running mean and running variance.

        Examples
        --------
        >>> import swiftbackprop as sb
        >>> [array.shape for array in sb.Network([2, 3, 1], seed=0).get_weights()]
        [(2, 3), (3,), (3, 1), (1,)]
        """
        from swiftbackprop._export import weights

        return weights.kernels(self)

    def set_weights(self, weights: Iterable[npt.ArrayLike]) -> None:
        """Write weights in the order and layout of Keras; the optimizer's state stays.

        Parameters
        ----------
        weights : list of array_like
            As `get_weights` returns them.

        Raises
        ------
        ValueError, TypeError
            If their number or a shape does not fit; then nothing was written.
        """
        from swiftbackprop._export.weights import set_kernels

        set_kernels(self, weights)

    def to_sklearn(self) -> BaseEstimator:
        """Return scikit-learn's own MLPClassifier or MLPRegressor with these weights.

        Returns
        -------
        MLPClassifier or MLPRegressor
            Of ``sklearn.neural_network``, fitted, with copies of the weights. Its
            ``predict_proba``, or a regressor's ``predict``, gives what `predict` gives. A
            softmax is a classifier; so is a sigmoid, of two classes, or of several labels a row
            if it has several units. A softmax of two classes becomes one logistic unit, which
            gives the same probabilities. Classes are those that `fit` has met, or 0, 1 and so on.

        Raises
        ------
        ImportError
            If scikit-learn is not installed.
        ValueError
            If scikit-learn's MLP has no such network: it has one activation of identity,
            sigmoid, tanh and relu for all hidden layers, no normalisation, and the outputs
            softmax and sigmoid with their cross-entropies, identity with squared_error and exp
            with poisson. Also with an `input_scale`, which is not there.

        Notes
        -----
        It can go on training, by ``partial_fit`` or with ``warm_start``, with parameters of
        its own: the optimizer, penalties and dropout are not taken over.

        See Also
        --------
        from_sklearn : The way back.

        Examples
        --------
        >>> import numpy as np, swiftbackprop as sb
        >>> net = sb.Network([2, 3, 1], loss="squared_error", seed=0)
        >>> mlp = net.to_sklearn()
        >>> mlp.predict(np.ones((1, 2), np.float32)) == net.predict(np.ones((1, 2)))[:, 0]
        array([ True])
        """
        from swiftbackprop._export import sklearn_models

        return sklearn_models.mlp(self, getattr(self, "classes_", None))

    def to_torch(self, logits: bool = False) -> torch.nn.Sequential:
        """Return a Sequential of PyTorch that computes what `predict` does.

        Parameters
        ----------
        logits : bool, default False
            Leave out the output's activation and what stands behind it: the module then
            returns z(L), normalised if layer L is, as PyTorch's CrossEntropyLoss and
            BCEWithLogitsLoss want it.

        Returns
        -------
        torch.nn.Sequential
            Linears with copies of the weights, and between them norms, activations and
            Dropouts; ``module.eval()`` turns these off. The parameters of layers that are not
            trainable do not require grad.

        Raises
        ------
        ImportError
            If PyTorch is not installed.
        NotImplementedError
            If a layer has an activation of your own.

        Notes
        -----
        PyTorch's Linear takes no integers, so `input_scale` has no part in it: pass
        ``X.float() * net.input_scale``.

        See Also
        --------
        from_torch : The way back.
        """
        refuse_own(self._spec, "to_torch", _HAS_WEIGHTS, loss=False)
        from swiftbackprop._export.torch import sequential

        module: torch.nn.Sequential = sequential(self, as_flag(logits, "logits"))
        return module

    @known_keywords
    def to_onnx(
        self,
        path: str | os.PathLike[str],
        logits: bool = False,
        input_dtype: npt.DTypeLike | None = None,
    ) -> None:
        """Write the network as an ONNX model, which other programs run.

        The model takes ``X`` of shape (N, D(0)), any N, and gives a(L), whose name is ``a3``
        in a network of three layers; every z and a between has a name too. It computes what
        `predict` does, without dropout. It is checked by ONNX before it is written, whole or
        not at all.

        Parameters
        ----------
        path : str or path-like
            By custom it ends in ``.onnx``.
        logits : bool, default False
            Leave out the output's activation and what stands behind it: the model then gives
            z(L), normalised if layer L is.
        input_dtype : dtype, optional
            Of X in the model: the network's, which is the default, or one of integers, such
            as ``"uint8"``, which the model then multiplies with `input_scale`. A network with
            an `input_scale` has to be told.

        Raises
        ------
        ImportError
            If the package onnx is not installed.
        OSError
            If the file cannot be written.
        ValueError
            If the weights are larger than an ONNX file can be.
        NotImplementedError
            If a layer has an activation of your own.
        """
        refuse_own(self._spec, "to_onnx", _HAS_WEIGHTS, loss=False)
        from swiftbackprop._export import onnx

        onnx.write(self, path, as_flag(logits, "logits"), input_dtype)
