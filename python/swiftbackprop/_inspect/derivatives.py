"""Derivatives that training itself has no use for: Jacobians, norms, second order."""

from __future__ import annotations

from typing import SupportsIndex

import numpy.typing as npt

from swiftbackprop._engine.loader import core
from swiftbackprop._net.arrays import FloatArray, as_data
from swiftbackprop._net.base import NetworkBase
from swiftbackprop._net.checks import as_int, got
from swiftbackprop._net.labels import encode


def _weights(sample_weight: npt.ArrayLike | None) -> FloatArray | None:
    return None if sample_weight is None else as_data(sample_weight, "sample_weight")


def _quantity(name: object, argument: str) -> int:
    """Return the engine's number of "z" or "a"."""
    if not isinstance(name, str):
        raise TypeError(f'{argument} must be "z" or "a", got {got(name)}')
    if name not in ("z", "a"):
        raise ValueError(f'{argument} must be "z" or "a", got {name!r}')
    return core.Z if name == "z" else core.A


class NetworkDerivatives(NetworkBase):
    """The part of `Network` with the derivatives to study; nothing of it keeps anything."""

    def jacobian(
        self, X: npt.ArrayLike, of: str = "z", wrt: str = "z", *, layer: SupportsIndex
    ) -> FloatArray:
        r"""Return the derivatives of the output by layer m, for every example.

        Nothing is kept: layers, gradients and weights stay as they are.

        Parameters
        ----------
        X : array_like, shape (N, D(0))
        of : {"z", "a"}, default "z"
            Differentiate z(L) or a(L).
        wrt : {"z", "a"}, default "z"
            By z(m) or a(m).
        layer : int
            m = 1..L, and with ``wrt="a"`` also 0, the input.

        Returns
        -------
        ndarray, shape (N, D(L), D(m))
            ``J[n, k, j]`` is the derivative of output k of example n by unit j of layer m.
            There is no 1/N in it.

        Raises
        ------
        ValueError
            If an argument does not fit, or for z(L) by a(L), which is made of z(L).
        TypeError
            If `layer` is no integer.
        DivergenceError
            If an output or a derivative overflows.
        MemoryError
            If the result does not fit into memory.

        Notes
        -----
        By the recursion of *Backpropagation: a Matrix Formulation*, whose ∂π(M)/∂π(m) this
        is, for all D(L) outputs at once: ∂z(L)/∂z(L) = 1 and

            ∂z(L)/∂z(m) = ∂z(L)/∂z(m+1) W(m+1) ⊙ σ′(z(m)),

        each row ⊙ σ′; softmax takes its Jacobian for it. With it
        grad_z(m) = Jᵀ grad_z(L) for every example. It costs a forward pass and at most D(L)
        backward passes.

        Examples
        --------
        >>> import numpy as np, swiftbackprop as sb
        >>> net = sb.Network([3, 4, 2], seed=0)
        >>> X = np.ones((5, 3), dtype=np.float32)
        >>> net.jacobian(X, layer=1).shape
        (5, 2, 4)
        >>> bool(np.all(net.jacobian(X, layer=2) == np.eye(2)))
        True
        >>> bool(np.all(net.jacobian(X, wrt="a", layer=1) == net.layers[1].W))
        True
        """
        quantities = _quantity(of, "of"), _quantity(wrt, "wrt")
        m = as_int(layer, "layer", min_=0, max_=len(self.sizes) - 1)
        flat = self._jacobian(as_data(X, "X"), *quantities, m)
        return flat.reshape(len(flat), self.sizes[-1], self.sizes[m])

    def input_gradient(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        *,
        sample_weight: npt.ArrayLike | None = None,
        per_example: bool = False,
    ) -> FloatArray:
        """Return the gradient of C with respect to X.

        Nothing is kept: layers, gradients and weights stay as they are.

        Parameters
        ----------
        X : array_like, shape (N, D(0))
        y : array_like, shape (N, D(L)) or (N,)
            As for `backward`.
        sample_weight : array_like, shape (N,), optional
        per_example : bool, default False
            Return the gradient of each row's own loss, without its share in C.

        Returns
        -------
        ndarray, shape (N, D(0))

        Raises
        ------
        ValueError, TypeError
            If the data do not fit.
        DivergenceError
            If z or a gradient is NaN or infinite.

        Notes
        -----
        grad_a(0) = grad_z(1) W(1).

        Examples
        --------
        >>> import numpy as np, swiftbackprop as sb
        >>> net = sb.Network([2, 1], initializer=[([[2.0, -1.0]], [0.0])])
        >>> net.input_gradient(np.array([[1.0, 1.0]]), np.array([0.0]))
        array([[ 2., -1.]], dtype=float32)
        """
        if per_example and sample_weight is not None:
            raise ValueError("per_example=True leaves the weights out: do not give both")
        return self._input_gradient(
            as_data(X, "X"), encode(self, y, "y"), _weights(sample_weight), per_example
        )

    def gradient_norms(
        self, X: npt.ArrayLike, y: npt.ArrayLike, *, per_layer: bool = False
    ) -> FloatArray:
        r"""Return the norm of the gradient of every example's own loss.

        It takes a forward and a backward pass and no gradient of its own for an example, so
        the memory does not grow with N × P. Nothing is kept.

        Parameters
        ----------
        X : array_like, shape (N, D(0))
        y : array_like, shape (N, D(L)) or (N,)
            As for `backward`.
        per_layer : bool, default False
            Return a norm for the W(m) and b(m) of every layer.

        Returns
        -------
        ndarray, shape (N,), or (N, L)
            ‖∇Cₙ‖ over all W and b, without weights and without 1/N. Column m - 1 belongs to
            layer m, and the squares of a row's columns sum to the square of the whole.

        Raises
        ------
        ValueError, TypeError
            If the data do not fit.
        DivergenceError
            If z or a gradient is NaN or infinite.

        Notes
        -----
        For one example grad_W(m) is the outer product of grad_z(m) and a(m-1), so

            ‖∇Cₙ‖² = Σₘ ‖grad_z(m)‖² (‖a(m-1)‖² + 1),

        1 for b. Goodfellow, "Efficient per-example gradient computations", 2015.

        Examples
        --------
        >>> import numpy as np, swiftbackprop as sb
        >>> net = sb.Network([2, 1], initializer=[([[2.0, -1.0]], [0.0])])
        >>> net.gradient_norms(np.array([[2.0, 2.0]]), np.array([1.0]))
        array([3.], dtype=float32)
        """
        norms = self._gradient_norms(as_data(X, "X"), encode(self, y, "y"), per_layer)
        return norms if per_layer else norms.reshape(-1)

    def hvp(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        v: npt.ArrayLike,
        *,
        sample_weight: npt.ArrayLike | None = None,
    ) -> FloatArray:
        """Return the Hessian of C times v, exactly and without the Hessian.

        Nothing is kept: layers, gradients and weights stay as they are.

        Parameters
        ----------
        X : array_like, shape (N, D(0))
        y : array_like, shape (N, D(L)) or (N,)
            As for `backward`.
        v : array_like, shape (P,)
            A direction, in the order of `parameters`.
        sample_weight : array_like, shape (N,), optional

        Returns
        -------
        ndarray, shape (P,)
            How `gradients` change when the parameters move along v. `unflatten` gives it the
            shapes of W and b.

        Raises
        ------
        ValueError, TypeError
            If an argument does not fit.
        DivergenceError
            If z, a gradient or the product is NaN or infinite.

        Notes
        -----
        C is without penalties. σ″ and ℓ″ are 0 at kinks, and ℓ″ is 0 where a logarithm is
        clipped. By the R-operator: the derivative along v of every line of forward and
        backward; 8 matrix products a layer where these have 3. Pearlmutter, "Fast exact
        multiplication by the Hessian", 1994.

        Examples
        --------
        >>> import numpy as np, swiftbackprop as sb
        >>> net = sb.Network([2, 1], initializer=[([[2.0, -1.0]], [0.0])])
        >>> net.hvp(np.array([[3.0, 1.0]]), np.array([0.0]), np.array([1.0, 0.0, 0.0]))
        array([9., 3., 3.], dtype=float32)
        """
        product = self._hvp(
            as_data(X, "X"), encode(self, y, "y"), _weights(sample_weight), as_data(v, "v")
        )
        return product.reshape(-1)
