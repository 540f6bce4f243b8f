"""What a network tells a student: derivatives that training itself has no use for."""

import numpy as np
import numpy.typing as npt

from swiftbackprop._arrays import FloatArray
from swiftbackprop._inside import NetworkInside

__all__ = ["NetworkStudy"]


class NetworkStudy(NetworkInside):
    """The part of `Network` that explains and checks what it computes."""

    def input_gradient(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        *,
        sample_weight: npt.ArrayLike | None = None,
        per_example: bool = False,
    ) -> FloatArray:
        """Return the gradient of C with respect to X.

        It is computed on a copy of the network: gradients and layers stay as they are.

        Parameters
        ----------
        X : array_like, shape (N, D(0))
        y : array_like, shape (N, D(L)) or (N,)
        sample_weight : array_like, shape (N,), optional
        per_example : bool, default False
            Return the gradient of each row's own loss, without its share in C.

        Returns
        -------
        ndarray, shape (N, D(0))
        """
        if per_example and sample_weight is not None:
            raise ValueError("per_example=True leaves the weights out: do not give both")
        twin = self.copy()
        rows = len(twin.forward(X))
        twin.backward(y, sample_weight=sample_weight)
        gradient: FloatArray = twin.layer(0).grad_a
        return np.multiply(gradient, rows if per_example else 1, dtype=self.dtype)
