"""Step (b) of the second deck, in its own layout and beside grad_W."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, SupportsIndex

import numpy as np
import numpy.typing as npt

from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.base import check_network

if TYPE_CHECKING:
    from swiftbackprop.network import Network


@dataclass(frozen=True, repr=False, eq=False)
class StepB:
    """Step (b) of *Backpropagation: a Matrix Formulation* for one layer; print it.

    Attributes
    ----------
    m, M : int
        The layer, and the number of layers.
    x : ndarray, shape (N, D(m-1))
        x(m-1), which is a(m-1).
    dL : ndarray, shape (N, D(M))
        ∂L/∂π(M), which is grad_z(L): a row vector for each example, with its 1/N.
    dpi : ndarray, shape (N, D(M), D(m))
        ∂π(M)/∂π(m): `Network.jacobian` of z by z.
    deck : ndarray, shape (D(m-1), D(m))
        ∂L/∂w(m) as the deck lays it out, inputs × outputs, summed over the examples.
    grad_W : ndarray, shape (D(m), D(m-1))
        grad_W(m) of backward, outputs × inputs like W(m) itself: the transpose of `deck`.
    """

    m: int
    M: int
    x: FloatArray
    dL: FloatArray
    dpi: FloatArray
    deck: FloatArray
    grad_W: FloatArray

    @property
    def difference(self) -> float:
        """The largest difference between `deck` and the transpose of `grad_W`."""
        return float(np.max(np.abs(self.deck - self.grad_W.T)))

    def outer(self, example: SupportsIndex = 0, output: SupportsIndex = 0) -> FloatArray:
        """Return x(m-1) (∂π(M)/∂π(m))ᵀ of one example and one output.

        Parameters
        ----------
        example : int, default 0
            The row n of X.
        output : int, default 0
            The unit k of layer M; a scalar output is unit 0.

        Returns
        -------
        ndarray, shape (D(m-1), D(m))
            A column times a row. For a scalar output ∂L/∂π(M) times it is the example's
            share of `deck`; for a vector output the shares of all k are added.
        """
        row = self.dpi[operator.index(example)][operator.index(output)]
        return np.outer(self.x[operator.index(example)], row)

    def __repr__(self) -> str:
        m, M = self.m, self.M
        rows, outputs = self.dL.shape
        if outputs == 1:
            rule = f"∂L/∂π({M}) · x({m - 1}) · (∂π({M})/∂π({m}))ᵀ"
        else:
            rule = f"x({m - 1}) · (∂L/∂π({M}) · ∂π({M})/∂π({m}))"
        kind = "a scalar" if outputs == 1 else f"{outputs} outputs: ∂L/∂π({M}) is a row vector"
        examples = f", the sum over {rows} examples" if rows > 1 else ""
        return "\n".join(
            [
                f"Step (b) for layer m = {m} of M = {M}; π({M}) is {kind}.",
                f"deck: ∂L/∂w({m}) = {rule}{examples}",
                f"inputs × outputs, {self.deck.shape}:",
                str(self.deck),
                f"here: grad_W({m}) = grad_z({m})ᵀ a({m - 1})",
                f"outputs × inputs as W({m}), {self.grad_W.shape}:",
                str(self.grad_W),
                f"The deck's matrix is grad_W({m}).T; "
                f"they differ by at most {self.difference:.1e}.",
            ]
        )


def step_b(net: Network, X: npt.ArrayLike, y: npt.ArrayLike, m: SupportsIndex) -> StepB:
    """Compute step (b) of the second deck for layer m, and grad_W(m) beside it.

    The deck's product x(m-1) (∂π(M)/∂π(m))ᵀ has a row for every input and a column for every
    output of the layer. Its W(m), like ours, has a row for every output. So what step (b)
    gives is the transpose of grad_W(m), and that is how they are shown here.

    Parameters
    ----------
    net : Network
        It stays as it is: the pass is made on a copy.
    X : array_like, shape (N, D(0))
    y : array_like, shape (N, D(L)) or (N,)
        As for `Network.backward`.
    m : int
        The layer, 1..L. The deck's loop ends below L; at L its ∂π(M)/∂π(M) is the identity.

    Returns
    -------
    StepB

    Raises
    ------
    ValueError, TypeError
        If an argument does not fit.

    Notes
    -----
    For a scalar output and one example the deck has
    ∂L/∂w(m) = ∂L/∂π(M) · x(m-1) · (∂π(M)/∂π(m))ᵀ. With several outputs ∂π(M)/∂π(m) is a matrix
    of shape (D(M), D(m)) and ∂L/∂π(M) a row vector in front of it:
    x(m-1) · (∂L/∂π(M) · ∂π(M)/∂π(m)). A batch adds up its examples.

    Examples
    --------
    >>> import numpy as np, swiftbackprop as sb
    >>> net = sb.Network([2, 2, 1], activation="relu", dtype="float64",
    ...                  initializer=[([[1, 0], [2, 1]], [0, 0]), ([[1, -1]], [0])])
    >>> sb.lab.step_b(net, np.array([[1.0, 3.0]]), np.array([-3.0]), 1)
    Step (b) for layer m = 1 of M = 2; π(2) is a scalar.
    deck: ∂L/∂w(1) = ∂L/∂π(2) · x(0) · (∂π(2)/∂π(1))ᵀ
    inputs × outputs, (2, 2):
    [[-1.  1.]
     [-3.  3.]]
    here: grad_W(1) = grad_z(1)ᵀ a(0)
    outputs × inputs as W(1), (2, 2):
    [[-1. -3.]
     [ 1.  3.]]
    The deck's matrix is grad_W(1).T; they differ by at most 0.0e+00.
    """
    check_network(net)
    dpi = net.jacobian(X, of="z", wrt="z", layer=m)
    number = operator.index(m)
    clone = net.copy()
    clone.forward(X)
    clone.backward(y)
    x, dL = np.array(clone.layer(number - 1).a), clone.layers[-1].grad_z
    rows = np.einsum("nk,nkj->nj", dL, dpi)
    grad_W = clone.layers[number - 1].grad_W.copy()
    return StepB(number, len(clone.layers), x, dL, dpi, x.T @ rows, grad_W)
