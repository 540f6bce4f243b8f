"""The documentation's table of derivatives has every rule of the engine, with its formulas."""

from __future__ import annotations

import re
import sys

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import ROOT
from swiftbackprop._engine.loader import core

pytest.importorskip("matplotlib")
if not (ROOT / "docs").exists():
    pytest.skip("not a source tree", allow_module_level=True)
sys.path.insert(0, str(ROOT / "docs"))

import _derivatives

RULES = [("Activations", name) for name in sb.activations()]
RULES += [("Losses", name) for name in sb.losses()]


@pytest.mark.parametrize(("folder", "name"), RULES)
def test_every_rule_has_its_formulas(folder: str, name: str) -> None:
    said = _derivatives.formulas(folder, name)
    assert said.value
    assert said.first
    assert said.second
    assert f"<code>{name}</code>" in _derivatives.table(folder)


# What the formulas need, beside z and a or a and t.
SIGNS = {"²": "**2", "−": "-", "½": "0.5*", "√": "sqrt", "·": "*", "ln a": "log(a)",
         "ln(": "log(", "tanh z": "tanh(z)", "eᶻ": "exp(z)", "e⁻ᶻ": "exp(-z)",
         "e⁻ᵃ": "exp(-a)", "³": "**3", "e^-|z|": "exp(-abs(z))", "α": "alpha", "δ": "delta",
         "Φ(z)": "Phi", "φ(z)": "phi", "σ′": "first"}  # fmt: skip
FUNCTIONS = ("exp", "log", "sqrt", "tanh", "where", "abs", "sign")


def code_of(formula: str) -> str:
    """A formula of the table as NumPy understands it; of `x = y` the first."""
    code = formula.split(" = ")[0].removesuffix(", also at 0")
    for sign, python in SIGNS.items():
        code = code.replace(sign, python)
    code = re.sub(r"^(.*) for (.*), else (.*)$", r"where(\2, \1, \3)", code)
    code = re.sub(r"^1 for (.*) and 0 elsewhere$", r"where(\1, 1, 0)", code)
    code = re.sub(r"\|([^|]+)\|", r"abs(\1)", code)
    code = re.sub(r"(\d)([a-zA-Z(])", r"\1*\2", code)
    code = re.sub(r"\b(alpha|first|a|s|z)(?=\(|Phi|phi|exp)", r"\1*", code)
    code = re.sub(r"\)\(", ")*(", code).replace(")phi", ")*phi")
    return re.sub(r"\bzt\b", "z*t", code)


def is_code(formula: str, names: dict[str, object]) -> bool:
    """Whether it is a formula; some rules need words, as "the sign of a − t"."""
    try:
        return set(compile(code_of(formula), "formula", "eval").co_names) <= names.keys()
    except SyntaxError:
        return False


def checked(folder: str, name: str) -> int:
    """Compare the formulas of a rule with what the engine computes; how many there were."""
    from scipy.special import ndtr

    said = _derivatives.formulas(folder, name)
    names: dict[str, object] = {key: getattr(np, key) for key in FUNCTIONS}
    names["max"] = np.maximum
    if folder == "Activations":
        rule = sb.activation(name)
        z = np.array([[-2.0, -0.7, -0.1, 0.2, 0.9, 1.7]])
        if rule.flags & core.RULE_ROWS:
            return 0
        names |= {"z": z, "a": rule(z), "s": 1 / (1 + np.exp(-z)), **rule.defaults}
        names |= {"Phi": ndtr(z), "phi": np.exp(-z * z / 2) / np.sqrt(2 * np.pi)}
        names["first"] = rule.derivative(z)
        right = rule(z), rule.derivative(z), rule.second_derivative(z)
    else:
        loss = sb.loss(name)
        a, t = np.array([0.1, 0.3, 0.8, 0.6]), np.array([1.0, 0.0, 0.4, 1.0])
        names |= {"a": a, "t": t}
        right = loss(a, t), loss.derivative(a, t), loss.second_derivative(a, t)
    count = 0
    for formula, values in zip(said[:3], right, strict=True):
        if is_code(formula, names):
            found = np.broadcast_to(
                eval(code_of(formula), {"__builtins__": {}}, names), values.shape
            )
            np.testing.assert_allclose(found, values, rtol=1e-12, err_msg=f"{name}: {formula}")
            count += 1
    return count


def test_the_formulas_are_what_the_engine_computes() -> None:
    counts = {rule: checked(*rule) for rule in RULES}
    whole = [rule for rule, count in counts.items() if count == 3]
    assert len(whole) >= 0.7 * len(RULES), counts
