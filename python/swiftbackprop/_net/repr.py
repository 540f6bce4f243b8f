"""How a network shows itself in text: one line, or a table of its layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from swiftbackprop._net.normalization import in_order

if TYPE_CHECKING:
    from swiftbackprop._net.base import NetworkBase
    from swiftbackprop._net.rule import Rule


HEAD = ("m", "D(m)", "activation", "W", "parameters")
_MOST_ROWS = 24
_GAP = -1  # stands for the layers left out


class Text(str):
    """A text that a notebook or a prompt shows as it is, without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def short(net: NetworkBase) -> str:
    """Return the network in one line."""
    kind = type(net).__name__
    if net._made is None:
        return f"<{kind}, not made>"
    if net.closed:
        return f"{kind}({sizes_of(net.sizes)}, closed)"
    *hidden, output = (_rule(rule) for rule in net._spec.activations)
    parts = [sizes_of(net.sizes)]
    if net._spec.norms:
        kinds = [repr(norm.name if norm else None) for norm in net._spec.norms]
        parts.append(f"norm={_some(kinds)}")
    if hidden:
        same = len(set(hidden)) == 1
        parts.append(f"activation={hidden[0] if same else _some(hidden)}")
    parts += [
        f"output={output}",
        f"loss={_rule(net.loss)}",
        f"optimizer={_optimizer(net)}",
        f"dtype={net.dtype.name!r}",
        *([] if net.precision == net.dtype.name else [f"precision={net.precision!r}"]),
        f"seed={net.seed}",
    ]
    return f"{kind}({', '.join(parts)})"


def sizes_of(sizes: Sequence[int]) -> str:
    """Return [D(0), ..., D(L)] as text; of many layers the first and the last."""
    return _some([str(size) for size in sizes], 9)


def summary(net: NetworkBase) -> str:
    """Return a table of the layers."""
    table = [HEAD, *rows(net), ("", "", "", "all", f"{net.n_parameters:,}")]
    widths = [max(len(row[column]) for row in table) for column in range(5)]
    lines = []
    for row in table:
        m, size, name, shape, count = (
            cell.ljust(width) if column == 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append(f"{m}  {size}  {name}  {shape}  {count}".rstrip())
    return Text("\n".join([f"Network: {headline(net)}", "", *lines]))


def rows(net: NetworkBase) -> list[tuple[str, str, str, str, str]]:
    """Return m, D(m), activation, shape of W and number of parameters, as text."""
    table = [("0", f"{net.sizes[0]:,}", "input", "", "")]
    rules, shapes = net._spec.activations, net._spec.shapes
    for m in _some_layers(len(shapes)):
        if m == _GAP:
            table.append(("...", "", "", "", ""))
            continue
        outputs, inputs = shapes[m - 1]
        count, norm = f"{net._spec.counts[m - 1]:,}", net._spec.norm(m)
        name = rules[m - 1].name
        if norm:
            name = in_order(norm, name)
        table.append((str(m), f"{outputs:,}", name, f"{outputs} x {inputs}", count))
    return table


def _some_layers(layers: int) -> list[int]:
    numbers = list(range(1, layers + 1))
    if layers > _MOST_ROWS:
        numbers[_MOST_ROWS // 2 : -_MOST_ROWS // 2] = [_GAP]
    return numbers


def headline(net: NetworkBase) -> str:
    """Return loss, optimizer and options in one line."""
    parts = [net.loss.name, net.dtype.name, f"seed {net.seed}"]
    if not net.closed:
        parts[1:1] = [_optimizer(net)]
        options = {"l1": net.l1, "l2": net.l2, "clip_norm": net.clip_norm}
        parts += [f"{name} {value:g}" for name, value in options.items() if value]
        if net.precision != net.dtype.name:
            parts.append(f"precision {net.precision}")
    return ", ".join(parts)


def _optimizer(net: NetworkBase) -> str:
    """Return the optimizer with its learning rate, the first parameter of all."""
    spec = net.optimizer.recipe
    first = next(iter(spec.parameters.values()), None)
    return f"{type(spec).__name__}({'' if first is None else f'{first:g}'})"


def _rule(rule: Rule) -> str:
    return repr(rule) if rule.parameters != rule.defaults else repr(rule.name)


def _some(names: list[str], max_: int = 8) -> str:
    if len(names) > max_:
        names = [*names[:4], "...", *names[-3:]]
    return f"[{', '.join(names)}]"
