"""The tables of rules, from the engine's list and the formulas in its sources."""

import re
from html import escape
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

import swiftbackprop as sb

SOURCES = Path(__file__).resolve().parent.parent / "Sources/SwiftBackprop"
SIGNS = {
    "Activations": ("σ(z)", "σ′", "σ″"),
    "Losses": ("ℓ(a, t)", "∂ℓ/∂a", "∂²ℓ/∂a²"),
}


# What targets may be, in the words of a source file and in a reader's.
DOMAINS = {
    "real": "any",
    "nonNegative": "≥ 0",
    "probability": "in [0, 1]",
    "distribution": "rows ≥ 0 with sum 1, or classes",
}


class Formulas(NamedTuple):
    """What a rule's source says above it."""

    value: str
    first: str
    second: str
    remark: str
    file: str


def source(folder: str, name: str) -> tuple[Path, str, str]:
    """Return the file of a rule, its text, and the first paragraph of its comment."""
    for file in sorted((SOURCES / folder).glob("*.swift")):
        text = file.read_text("utf-8")
        if re.search(rf'name: "{name}"', text):
            comment = text[text.index("/// ") :].split("\n///\n")[0]
            line = " ".join(part.removeprefix("///").strip() for part in comment.splitlines())
            return file, text, line
    raise ValueError(f"no file in {folder} has the name {name!r}")


def formulas(folder: str, name: str) -> Formulas:
    """Return the formulas of a rule, from the first paragraph of its comment."""
    file, _, line = source(folder, name)
    signs = [re.escape(sign) for sign in SIGNS[folder]]
    found = re.match(
        rf"{signs[0]}(ᵢ)? = (?P<value>.*?); {signs[1]} = (?P<first>.*?); "
        rf"{signs[2]} = (?P<second>.*?)\.(?: (?P<remark>.*))?$",
        line,
    )
    if not found:
        raise ValueError(f"{file.name}: the comment's first line lacks a formula: {line}")
    parts = [found[part] or "" for part in ("value", "first", "second", "remark")]
    return Formulas(*parts, f"{folder}/{file.name}")


def targets(name: str) -> str:
    """Return what the targets of a loss may be."""
    _, text, _ = source("Losses", name)
    found = re.search(r"domain = TargetDomain\.(\w+)", text)
    return DOMAINS[found[1]] if found else ""


def numbers(parameters: dict[str, float]) -> str:
    """Return parameters and their defaults in one line."""
    return ", ".join(f"{key} {value:g}" for key, value in parameters.items())


def short_table(folder: str) -> str:
    """Return optimizers or initializers with what their sources say first, as HTML."""
    if folder == "Optimizers":
        made = {name: sb.optimizer(name) for name in sb.optimizers()}
        names = {name: type(rule).__name__ for name, rule in made.items()}
        parameters = {name: f"<td>{numbers(rule.defaults)}</td>" for name, rule in made.items()}
        head = "<th>class</th><th>update</th><th>parameters</th>"
    else:
        names, parameters = {name: name for name in sb.initializers()}, {}
        head = "<th>name</th><th>weights</th>"
    rows = "".join(
        f"<tr><td><code>{shown}</code></td><td>{escape(source(folder, name)[2].rstrip('.'))}</td>"
        f"{parameters.get(name, '')}</tr>"
        for name, shown in names.items()
    )
    return f"<table class='rules'><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def table(folder: str) -> str:
    """Return the rules of a folder with their formulas, as HTML."""
    signs = (*SIGNS[folder], *(() if folder == "Activations" else ("targets",)))
    names = sb.activations() if folder == "Activations" else sb.losses()
    make = sb.activation if folder == "Activations" else sb.loss
    partner = "initializer" if folder == "Activations" else "output"
    rows = []
    for name in names:
        said = formulas(folder, name)
        rule = make(name)
        more = "" if folder == "Activations" else f"<td>{targets(name)}</td>"
        cells = "".join(f"<td class='formula'>{escape(part)}</td>" for part in said[:3])
        explained = " class='explained'" if said.remark else ""
        rows.append(
            f"<tr{explained}><td><code>{name}</code></td>{cells}"
            f"{more}<td>{numbers(rule.defaults)}</td><td>{rule.partner}</td></tr>"
        )
        if said.remark:
            rows.append(
                f"<tr><td></td><td class='remark' colspan='{4 + len(signs)}'>"
                f"{escape(said.remark)}</td></tr>"
            )
    head = "".join(f"<th>{sign}</th>" for sign in signs)
    return (
        f"<table class='rules'><thead><tr><th>name</th>{head}<th>parameter</th>"
        f"<th>{partner}</th></tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def plot_activations() -> None:
    """Draw σ, σ′ and σ″ of every activation that is a function of one number."""
    names = [name for name in sb.activations() if name != "softmax"]
    figure, axes = plt.subplots(-(-len(names) // 4), 4, figsize=(9, 6.2), layout="constrained")
    z = np.linspace(-4, 4, 801)
    for axis, name in zip(axes.flat, names, strict=False):
        rule = sb.activation(name)
        draw(axis, name, z, [rule(z), rule.derivative(z), rule.second_derivative(z)])
        axis.set_ylim(-1.6, 3)
    finish(figure, axes, len(names), ["σ", "σ′", "σ″"])


def plot_losses() -> None:
    """Draw ℓ and its two derivatives by a."""
    names = sb.losses()
    figure, axes = plt.subplots(-(-len(names) // 4), 4, figsize=(9, 4.2), layout="constrained")
    for axis, name in zip(axes.flat, names, strict=False):
        rule = sb.loss(name)
        domain = targets(name)
        inside, positive = (
            domain in (DOMAINS["probability"], DOMAINS["distribution"]),
            domain == DOMAINS["nonNegative"],
        )
        t = 1.0 if inside else 2.0 if positive else 0.0
        a = np.linspace(0.02, 0.98 if inside else 6, 801)
        a = a if inside or positive else np.linspace(-3, 3, 801)
        draw(axis, f"{name}, t = {t:g}", a, [rule(a, t), rule.derivative(a, t),
                                             rule.second_derivative(a, t)])  # fmt: skip
        axis.set_ylim(-4, 5)
    finish(figure, axes, len(names), ["ℓ", "∂ℓ/∂a", "∂²ℓ/∂a²"])


def draw(axis: Axes, title: str, x: np.ndarray, curves: list[np.ndarray]) -> None:
    """Draw three curves; a jump is a gap, not a line."""
    for y, color in zip(curves, ("#1f5fa8", "#d08a1d", "#8a8f98"), strict=True):
        step = np.abs(np.diff(y, prepend=y[0]))
        axis.plot(x, np.where(step > 0.4, np.nan, y), color=color, linewidth=1.4)
    axis.set_title(title, fontsize=8, loc="left")
    axis.tick_params(labelsize=7)
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(alpha=0.25, linewidth=0.5)


def finish(figure: plt.Figure, axes: np.ndarray, used: int, labels: list[str]) -> None:
    """Hide what is empty and name the curves once."""
    for axis in axes.flat[used:]:
        axis.axis("off")
    figure.legend(axes.flat[0].lines, labels, loc="lower right", frameon=False, ncols=3, fontsize=9)
