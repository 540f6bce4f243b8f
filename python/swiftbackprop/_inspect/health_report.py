"""What an examination of a network found, and how it shows itself."""

from __future__ import annotations

from dataclasses import dataclass

from swiftbackprop._draw.tables import Tabular, text_table
from swiftbackprop._net.repr import sizes_of


@dataclass(frozen=True, slots=True)
class HealthFinding:
    """Something that keeps a network from learning.

    Attributes
    ----------
    kind : str
        "dead", "saturated", "vanishing", "exploding", "symmetric", "constant output",
        "linear", "large update", "small update", "worse than a constant", "unscaled X",
        "unscaled y" or "overflow".
    m : int or None
        The layer; None for the whole network.
    value : float
        What was measured.
    what : str
        The measurement in a sentence.
    advice : str
        What to do, in a sentence.
    """

    kind: str
    m: int | None
    value: float
    what: str
    advice: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.what} {self.advice}"


@dataclass(frozen=True, slots=True)
class LayerHealth:
    """The measurements of layer m; None where one has no meaning.

    Attributes
    ----------
    m : int
    activation : str
    dead : float or None
        The share of dead units.
    saturated : float or None
        The share of saturated values.
    gradient : float or None
        The norm of grad_z(m) by that of grad_z(L).
    update : float or None
        The norm of the next update of W(m) by that of W(m).
    """

    m: int
    activation: str
    dead: float | None
    saturated: float | None
    gradient: float | None
    update: float | None


@dataclass(frozen=True, slots=True, repr=False)
class HealthReport(Tabular):
    """The report of `Network.health`; it prints as a table with its findings below.

    Attributes
    ----------
    layers : tuple of LayerHealth
        The measurements of layers 1..L; none if a number overflowed.
    findings : tuple of HealthFinding
        What is wrong, each with a sentence of advice.
    ok : bool
        Whether there is no finding.
    loss : float
        C of these rows.
    rows : int
        How many rows were looked at.
    """

    sizes: tuple[int, ...]
    layers: tuple[LayerHealth, ...]
    findings: tuple[HealthFinding, ...]
    loss: float
    rows: int
    _head = ("m", "activation", "dead", "saturated", "grad_z(m) : grad_z(L)", "update : W")
    _left = 2

    @property
    def ok(self) -> bool:
        """Whether there is no finding."""
        return not self.findings

    def _title(self) -> str:
        found = len(self.findings)
        verdict = "no finding" if not found else "1 finding" if found == 1 else f"{found} findings"
        rows = "1 row" if self.rows == 1 else f"{self.rows:,} rows"
        return f"Health of {sizes_of(self.sizes)} on {rows}, C = {self.loss:.4g}: {verdict}"

    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (
                str(layer.m),
                layer.activation,
                _share(layer.dead),
                _share(layer.saturated),
                _ratio(layer.gradient),
                _ratio(layer.update),
            )
            for layer in self.layers
        ]

    def __repr__(self) -> str:
        table = [text_table(self._head, self._rows(), self._left)] if self.layers else []
        return "\n".join([self._title(), *table, *(f"- {found}" for found in self.findings)])

    def _notes(self) -> list[str]:
        return [str(found) for found in self.findings]

    def _bad(self) -> list[int]:
        named = {finding.m for finding in self.findings}
        return [place for place, layer in enumerate(self.layers) if layer.m in named]


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2g}"
