"""What a network tells a student of its passes, in formulas and pictures.

Training needs none of it: every method imports what it shows with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy.typing as npt

from swiftbackprop._inspect.derivatives import NetworkDerivatives

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from swiftbackprop._draw.svg import Picture
    from swiftbackprop._inspect.gradcheck import GradientReport
    from swiftbackprop._inspect.health_report import HealthReport
    from swiftbackprop._inspect.trace import Trace


class NetworkStudy(NetworkDerivatives):
    """The part of `Network` that explains and checks what it computes."""

    def trace(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        *,
        sample_weight: npt.ArrayLike | None = None,
        symbols: str = "deck1",
    ) -> Trace:
        """Run forward and backward, and return a record of every step.

        It does what ``net.forward(X)`` and ``net.backward(y)`` do: afterwards the layers
        show the same numbers, and `gradients` are those of this batch. The weights stay.

        Parameters
        ----------
        X : array_like, shape (N, D(0))
        y : array_like, shape (N, D(L)) or (N,)
            As for `backward`.
        sample_weight : array_like, shape (N,), optional
        symbols : {"deck1", "deck2"}, default "deck1"
            Whose letters the formulas are in: those of *Vectorizing the Backpropagation
            Algorithm* (z, a, σ, L layers, cost C), as everywhere in this package, or those of
            *Backpropagation: a Matrix Formulation* (π, x, a(·), M layers, loss L).

        Returns
        -------
        Trace
            ``print(trace)`` shows a row for every step, a notebook the computation graph
            too; ``trace["grad_z(1)"].value`` is an array. z, a and their gradients are the
            network's own memory, not copied; W, b and their gradients are copied. The
            record never changes, unless X itself does.

        Raises
        ------
        ValueError, TypeError, DivergenceError
            As `forward` and `backward`.

        Examples
        --------
        >>> import numpy as np, swiftbackprop as sb
        >>> net = sb.Network([2, 3, 1], activation="tanh", seed=0)
        >>> trace = net.trace(np.ones((1, 2)), np.ones(1))
        >>> for step in trace.steps[6:10]:
        ...     print(step.number, step.formula, step.shape)
        7 grad_a(2) = ∂C/∂a(2) (1, 1)
        8 grad_z(2) = grad_a(2) ⊙ σ′(z(2)) (1, 1)
        9 grad_W(2) = grad_z(2) a(1)ᵀ (1, 3)
        10 grad_b(2) = grad_z(2) (1,)
        """
        from swiftbackprop._inspect import trace

        return trace.take(self, X, y, sample_weight, symbols)

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
            The letters, as for `trace`.

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
        from swiftbackprop._inspect.network_diagram import diagram

        return diagram(self, X, show, example, symbols)

    def gradcheck(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        *,
        sample_weight: npt.ArrayLike | None = None,
        per_array: int | None = 40,
        seed: int = 0,
    ) -> GradientReport:
        """Check the gradients of C against differences of C.

        The check runs on a float64 copy of the network without penalties; this network
        stays as it is.

        Parameters
        ----------
        X : array_like, shape (N, D(0))
            A few rows are enough.
        y : array_like, shape (N, D(L)) or (N,)
        sample_weight : array_like, shape (N,), optional
        per_array : int or None, default 40
            How many elements of every W, every b and X are looked at, drawn at random;
            None for all of them.
        seed : int, default 0
            Of the drawing.

        Returns
        -------
        GradientReport
            A verdict for grad_W and grad_b of every layer and for grad_a(0), the gradient
            by X, with `ok` and `raise_if_failed`.

        Raises
        ------
        ValueError, TypeError
            If the data do not fit.

        Notes
        -----
        n = (C(w + h) - C(w - h)) / 2h, at h, h/2 and h/4, extrapolated to h = 0. The step
        is chosen for each parameter: its first value moves z by 0.01, and it shrinks until
        no unit passes a kink. A parameter that is at a kink even so is reported apart.
        A gradient is right if ‖g - n‖ / (‖g‖ + ‖n‖) is at most 1e-7, or below what the
        rounding of C alone makes of it.

        Examples
        --------
        >>> import numpy as np, swiftbackprop as sb
        >>> rng = np.random.default_rng(0)
        >>> net = sb.Network([4, 5, 3], activation="tanh", loss="cross_entropy", seed=0)
        >>> report = net.gradcheck(rng.normal(size=(6, 4)), [0, 1, 2, 0, 1, 2])
        >>> report.ok, report["grad_W(1)"].verdict
        (True, 'right')
        """
        from swiftbackprop._inspect.gradcheck import gradcheck

        return gradcheck(self, X, y, sample_weight, per_array, seed)

    def health(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        *,
        sample_weight: npt.ArrayLike | None = None,
    ) -> HealthReport:
        r"""Examine the network: units, gradients along depth, the next update.

        A forward and a backward pass and a step are made on a copy of the network:
        weights, optimizer and layers stay as they are. Some hundred rows are enough.

        Parameters
        ----------
        X : array_like, shape (N, D(0))
        y : array_like, shape (N, D(L)) or (N,)
        sample_weight : array_like, shape (N,), optional

        Returns
        -------
        HealthReport
            A table with, for every layer, the share of dead units, the share of saturated
            values, ‖grad_z(m)‖/‖grad_z(L)‖ and ‖ΔW‖/‖W‖ for the next update ΔW; and the findings,
            each with a sentence of advice.

        Raises
        ------
        ValueError, TypeError
            If the data do not fit.

        Notes
        -----
        The limits, where they come from, and the literature stand in docs/health.md. A
        unit is dead if \|σ′(z)\| ≤ 1e-6 in every row, a value saturated if \|σ′(z)\| is at
        most a hundredth of its maximum.

        Examples
        --------
        >>> import numpy as np, swiftbackprop as sb
        >>> X = np.random.default_rng(0).normal(size=(50, 3))
        >>> net = sb.Network([3, 16, 1], seed=0)
        >>> net.health(X, X[:, 0]).ok
        True
        >>> net.layers[0].b[:] = -100
        >>> net.health(X, X[:, 0])
        Health of [3, 16, 1] on 50 rows, C = ...: 1 finding
        m  activation  dead ...
        1  relu        100% ...
        2  identity       - ...
        - dead: 100% of the units of layer 1 (relu) do not change with z in any row, so ...
        """
        from swiftbackprop._inspect.health import examine

        return examine(self, self.copy(), X, y, sample_weight)

    def plot_weights(
        self,
        m: int,
        *,
        shape: tuple[int, int] | str | None = "auto",
        most: int = 100,
        ax: Axes | None = None,
    ) -> Axes:
        """Plot W(m) with matplotlib: blue above 0, orange below, by one scale.

        Parameters
        ----------
        m : int
            The layer, 1..L.
        shape : (height, width), "auto" or None
            Draw every row of W as an image of this shape. By default that of a square, if
            D(m-1) is a square number, else one map of the matrix; None always draws the map.
        most : int, default 100
            How many rows to draw as images at most.
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default in a new figure.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        ValueError, TypeError
            If the shape does not hold D(m-1) numbers.
        ImportError
            If matplotlib is missing.

        Examples
        --------
        >>> import swiftbackprop as sb
        >>> axes = sb.Network([64, 12, 10], seed=0).plot_weights(1)
        >>> axes.get_title(loc="left")
        'The rows of W(1), layer 1 of 2, as images of 8 × 8'
        """
        from swiftbackprop._inspect import matplotlib_plots

        return matplotlib_plots.plot_weights(self, m, shape, most, ax)

    def plot_activations(self, X: npt.ArrayLike, *, ax: Axes | None = None) -> Axes:
        r"""Plot how the outputs of every layer are distributed over the rows, with matplotlib.

        Layer by layer an upright histogram of a(m), as wide as values are frequent, with a
        white line at the median. Where more than 2 % are exactly 0, as with relu, these are
        left out of it. The forward pass runs on a copy of the network.

        Parameters
        ----------
        X : array_like, shape (N, D(0))
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default in a new figure.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        ImportError
            If matplotlib is missing.

        Examples
        --------
        >>> import numpy as np, swiftbackprop as sb
        >>> net = sb.Network([2, 8, 1], activation="tanh", seed=0)
        >>> axes = net.plot_activations(np.ones((5, 2)))
        >>> [label.get_text() for label in axes.get_xticklabels()]
        ['1\ntanh', '2\nidentity']
        """
        from swiftbackprop._inspect import matplotlib_plots

        return matplotlib_plots.plot_activations(self, X, ax)
