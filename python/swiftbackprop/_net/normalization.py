"""Normalisation: recipes of batch norm and layer norm, one for each layer that has it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from swiftbackprop._engine.loader import core
from swiftbackprop._net.checks import as_bool, as_number, got
from swiftbackprop._net.names import unknown


class Norm:
    """A recipe for the normalisation of a layer: `BatchNorm` or `LayerNorm`."""

    __slots__ = ()
    name: ClassVar[str]
    eps: float
    after: bool

    def _as_engine_norm(self) -> tuple[int, int, float, float]:
        raise NotImplementedError

    def _check(self) -> None:
        """Complete the fields and refuse what has no meaning."""
        object.__setattr__(self, "eps", as_number(self.eps, "eps", above=0, max_=1))
        as_bool(self.after, "after")


@dataclass(frozen=True, slots=True)
class BatchNorm(Norm):
    r"""Batch normalisation of a layer: its units get mean 0 and variance 1 over a batch.

    Parameters
    ----------
    momentum : float, default 0.1
        In [0, 1]: how far the running statistics follow every batch.
    eps : float, default 1e-5
        Added to the variance, in (0, 1].
    after : bool, default False
        Normalise what σ gave; by default it is z that is normalised, before σ.

    Notes
    -----
    For every unit, with mean μ and biased variance v over the N rows of the batch,

    .. math:: \hat x = (x - μ)/\sqrt{v + ε}, \qquad γ \hat x + β,

    where x is z(m), and a(m) = σ(γ x̂ + β); with ``after=True`` x is σ(z(m)) and
    a(m) = γ x̂ + β. That is training: `Network.fit`, or ``forward(X, training=True)``, where the
    running statistics follow by r ← (1 - momentum) r + momentum s, of the variance by the
    unbiased v N/(N - 1). A batch of a single row has no variance and is refused. In evaluation
    (`Network.predict`, `Network.evaluate`, ``forward(X)``) μ and v are the running ones.

    Ioffe and Szegedy, "Batch normalization: accelerating deep network training by reducing
    internal covariate shift", 2015.

    Examples
    --------
    >>> import swiftbackprop as sb
    >>> net = sb.Network([4, 8, 3], norm=sb.BatchNorm(momentum=0.05), seed=0)
    >>> net.layers[0].norm
    BatchNorm(momentum=0.05, eps=1e-05, after=False)
    >>> net.layers[0].gamma.shape
    (8,)
    """

    name: ClassVar[str] = "batch"
    momentum: float = 0.1
    eps: float = 1e-5
    after: bool = False

    def __post_init__(self) -> None:
        self._check()
        momentum = as_number(self.momentum, "momentum", min_=0, max_=1)
        object.__setattr__(self, "momentum", momentum)

    def _as_engine_norm(self) -> tuple[int, int, float, float]:
        return core.NORM_BATCH, int(self.after), self.eps, self.momentum


@dataclass(frozen=True, slots=True)
class LayerNorm(Norm):
    r"""Layer normalisation: every row of a layer gets mean 0 and variance 1 over its units.

    Parameters
    ----------
    eps : float, default 1e-5
        Added to the variance, in (0, 1].
    after : bool, default False
        Normalise what σ gave; by default it is z that is normalised, before σ.

    Notes
    -----
    For every row, with mean μ and biased variance v over its D(m) units,

    .. math:: \hat x = (x - μ)/\sqrt{v + ε}, \qquad γ \hat x + β,

    where x is z(m), and a(m) = σ(γ x̂ + β); with ``after=True`` x is σ(z(m)) and
    a(m) = γ x̂ + β. Training and evaluation are the same, and rows do not depend on each other.

    Ba, Kiros and Hinton, "Layer normalization", 2016.

    Examples
    --------
    >>> import swiftbackprop as sb
    >>> net = sb.Network([4, 8, 3], norm="layer", seed=0)
    >>> net.layers[0].norm
    LayerNorm(eps=1e-05, after=False)
    """

    name: ClassVar[str] = "layer"
    eps: float = 1e-5
    after: bool = False

    def __post_init__(self) -> None:
        self._check()

    def _as_engine_norm(self) -> tuple[int, int, float, float]:
        return core.NORM_LAYER, int(self.after), self.eps, 0.0


def in_order(norm: Norm, σ: str) -> str:
    """Return the steps of a layer from z to a, such as "batch norm, relu"."""
    steps = (σ, f"{norm.name} norm")
    return ", ".join(steps if norm.after else steps[::-1])


NormLike: TypeAlias = str | Norm | None

_KINDS: dict[str, type[Norm]] = {"batch": BatchNorm, "layer": LayerNorm}
NO_NORM = (core.NORM_NONE, 0, 1.0, 0.0)


def as_norms(
    norm: NormLike | Iterable[NormLike], sizes: tuple[int, ...]
) -> tuple[Norm | None, ...]:
    """Return the recipe of each of the layers 1..L; () if no layer is normalised."""
    layers = len(sizes) - 1
    if norm is None or isinstance(norm, str | Norm | type) or not isinstance(norm, Iterable):
        made: tuple[Norm | None, ...] = (*(_as_norm(norm, "norm"),) * (layers - 1), None)
    else:
        made = tuple(_as_norm(entry, f"norm of layer {m}") for m, entry in enumerate(norm, 1))
        if len(made) not in (layers - 1, layers):
            raise ValueError(
                f"norm: expected {layers} entries, one for each layer, or {layers - 1}, one for "
                f"each hidden layer, got {len(made)}"
            )
        made = (*made, None)[:layers]
    for m, recipe in enumerate(made, start=1):
        if isinstance(recipe, LayerNorm) and sizes[m] == 1:
            raise ValueError(
                f"layer norm on layer {m}, which has one unit, would make everything beta: it "
                "takes mean and variance over the units of a row"
            )
    return made if any(made) else ()


def _as_norm(value: Any, what: str) -> Norm | None:
    if value is None or isinstance(value, BatchNorm | LayerNorm):
        return value
    if isinstance(value, str):
        if value not in _KINDS:
            raise ValueError(unknown(what, value, _KINDS))
        return _KINDS[value]()
    if isinstance(value, type) and issubclass(value, Norm):
        raise TypeError(f"{what} must be an instance, got the class: write {value.__name__}()")
    raise TypeError(
        f"{what} must be 'batch', 'layer', an instance such as BatchNorm(momentum=0.1), or None, "
        f"got {got(value)}"
    )
