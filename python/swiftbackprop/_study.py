"""What a network tells a student: derivatives that training itself has no use for."""

import numpy as np
import numpy.typing as npt

from swiftbackprop import _diagram
from swiftbackprop._arrays import FloatArray
from swiftbackprop._inside import NetworkInside
from swiftbackprop._svg import Picture

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

    def diagram(
        self,
        X: npt.ArrayLike | None = None,
        *,
        show: str = "weights",
        example: int = 0,
        symbols: str = "deck1",
    ) -> Picture:
        """Return a picture of the network: units and connections, or blocks if they are many.

        Blue is above 0, orange below, and a wide line stands for a large number. Rings
        show b. Between wide layers W is a map whose rows are the units of layer m; a cell is
        the number of largest size in its block. Lines and maps of all layers have one scale,
        so that vanishing gradients are seen to vanish.

        Parameters
        ----------
        X : array_like, shape (N, D(0)), optional
            What to show the activations of, by a forward pass on a copy of the network; by
            default those of the last `forward` are shown, if there was one.
        show : {"weights", "gradients", "both"}, default "weights"
            What lines and rings stand for; of gradients the last ones, 0 without any.
        example : int, default 0
            The row whose activations fill the units.
        symbols : {"deck1", "deck2"}, default "deck1"
            The letters of the first or of the second lecture deck.

        Returns
        -------
        Picture
            A notebook shows it, ``str(picture)`` is SVG text, ``picture.save(path)`` a file.

        Raises
        ------
        ValueError, TypeError
            If an argument does not fit.
        IndexError
            If there is no such example.

        Examples
        --------
        >>> import numpy as np, swiftbackprop as sb
        >>> net = sb.Network([2, 3, 1], seed=0)
        >>> picture = net.diagram(np.array([[1.0, -1.0]]))
        >>> str(picture).count('class="unit"'), str(picture).count('class="connection"')
        (6, 9)
        """
        return _diagram.draw(self, X, show, example, symbols)
