"""What a notebook shows of a call: a signature that leaves room for the docstring."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from typing import Any

import pytest

import swiftbackprop as sb

MODULES = [
    *("swiftbackprop", "swiftbackprop.datasets", "swiftbackprop.lab", "swiftbackprop.metrics"),
    *("swiftbackprop.schedules", "swiftbackprop.sklearn"),
]
MOST = 88  # characters of one parameter


def public(module: str) -> Iterator[tuple[str, Any]]:
    """Every public function, class and method of a module."""
    found = importlib.import_module(module)
    for name in found.__all__:
        value = getattr(found, name)
        if callable(value):
            yield f"{module}.{name}", value
        if inspect.isclass(value):
            for key, method in inspect.getmembers(value, callable):
                if not key.startswith("_"):
                    yield f"{module}.{name}.{key}", method


def parts(call: Any) -> list[str]:
    """The parameters of a call and what it returns, as inspect writes them."""
    try:
        signature = inspect.signature(call)
    except (TypeError, ValueError):  # of the compiled module, which has none
        return []
    returned = signature.return_annotation
    shown = [str(parameter) for parameter in signature.parameters.values()]
    return [*shown, "" if returned is signature.empty else inspect.formatannotation(returned)]


@pytest.mark.parametrize("module", MODULES)
def test_signatures_are_short(module: str) -> None:
    if module == "swiftbackprop.sklearn":
        pytest.importorskip("sklearn")
    calls = dict(public(module))
    assert calls
    for name, call in calls.items():
        for part in parts(call):
            assert len(part) <= MOST, f"{name}: {part}"
            assert "numpy._typing" not in part, f"{name}: {part}"
            assert not part.startswith("\"'"), f"{name}: {part}"  # quoted twice


def test_gradcheck_shows_its_docstring() -> None:
    signature = str(inspect.signature(sb.Network.gradcheck))
    assert "X: 'npt.ArrayLike'" in signature
    assert signature.endswith("-> 'GradientReport'")
    assert len(signature) < 250
