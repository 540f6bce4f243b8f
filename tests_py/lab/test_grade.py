"""sb.lab.grade: submissions that are right, wrong, broken, endless and greedy."""

from __future__ import annotations

import json
import textwrap
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import quiet_network, refused
from swiftbackprop.lab import Grade, grade

N = 7
Array = np.ndarray

RIGHT = """
    import numpy as np


    def forward(net, X):
        a, found = X, {"z": [], "a": []}
        for layer in net.layers:
            z = a @ layer.W.T + layer.b
            a = layer.activation(z)
            found["z"].append(z)
            found["a"].append(a)
        return found


    def backward(net, X, y):
        layers, found = net.layers, []
        L = len(layers)
        grad_a = (layers[-1].a - y) / len(X)
        for m in range(L, 0, -1):
            layer = layers[m - 1]
            grad_z = grad_a * layer.activation.derivative(layer.z)
            found.insert(0, (grad_z.T @ net.layer(m - 1).a, grad_z.sum(axis=0)))
            grad_a = grad_z @ layer.W
        return found


    def step(net, gradients, rate):
        return [
            (layer.W - rate * W, layer.b - rate * b)
            for layer, (W, b) in zip(net.layers, gradients)
        ]
"""


def network(**options: Any) -> Any:
    options = {"activation": "tanh", "output": "sigmoid", "loss": "squared_error"} | options
    net = quiet_network([3, 5, 5, 2], seed=3, **options)
    rng = np.random.default_rng(1)
    for layer in net.layers:
        layer.b = rng.normal(size=layer.b.shape)
    return net


def data() -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(N, 3)), rng.uniform(size=(N, 2))


def submission(folder: Path, *changes: tuple[str, str], name: str = "ann") -> Path:
    """A file with the right functions, and parts of them replaced."""
    text = textwrap.dedent(RIGHT)
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    path = folder / f"{name}.py"
    path.write_text(text, "utf-8")
    return path


def functions() -> dict[str, Callable[..., Any]]:
    names: dict[str, Any] = {}
    exec(textwrap.dedent(RIGHT), names)
    return names


def marks(path: Path, **options: Any) -> Grade:
    return grade(path, network(), *data(), **{"timeout": 60.0, **options})


def test_a_right_submission(tmp_path: Path) -> None:
    found = marks(submission(tmp_path))
    assert found.score == 1.0
    assert found.ok
    found.raise_if_failed()
    assert found.marks == dict.fromkeys(("z", "a", "grad_W", "grad_b", "W", "b"), 1.0)
    assert found.name == "ann"
    assert not found.problems
    assert len(found.findings) == 6 * 3


@pytest.mark.parametrize("form", ["dict", "module"])
def test_functions_and_modules(form: str) -> None:
    student: Any = functions()
    if form == "module":
        student = types.ModuleType("class_of_26.ben")
        vars(student).update(functions())
    found = grade(student, network(), *data(), timeout=60.0)
    assert found.ok
    assert found.name == ("student" if form == "dict" else "ben")


@pytest.mark.parametrize(
    ("change", "quantity", "kind", "mark"),
    [
        (("+ layer.b\n", "\n"), "z", "missing bias", 0.0),
        (("a = layer.activation(z)", "a = z"), "a", "missing σ", 0.0),
        (("a = layer.activation(z)", "a = np.maximum(z, 0)"), "a", "another σ", 0.0),
        (("a = layer.activation(z)", "a = layer.activation.derivative(z)"), "a", "σ′ for σ", 0.0),
        (("grad_z.T @ net.layer(m - 1).a", "(grad_z.T @ net.layer(m - 1).a).T"), "grad_W",
         "transposed", 0.0),
        (("grad_z.sum(axis=0)", "grad_z.mean(axis=0)"), "grad_b", "mean instead of sum", 0.0),
        (("- y) / len(X)", "- y)"), "grad_W", "missing 1/N", 2 / 3),
        (("layer.W - rate * W", "layer.W + rate * W"), "W", "wrong sign", 0.0),
        (("layer.b - rate * b", "layer.b - b"), "b", "missing rate", 0.0),
        (("layer.b - rate * b", "layer.b"), "b", "not updated", 0.0),
        (("layer.b - rate * b", "rate * b"), "b", "no weights", 0.0),
    ],
)  # fmt: skip
def test_usual_mistakes_are_named(
    tmp_path: Path, change: tuple[str, str], quantity: str, kind: str, mark: float
) -> None:
    found = marks(submission(tmp_path, change))
    kinds = {k for f in found.findings for k in f.kinds}
    assert kind in kinds, found
    assert not found.ok
    wrong = [f for f in found.findings if kind in f.kinds]
    assert all(f.sentence for f in wrong)
    assert found.marks[quantity] == pytest.approx(mark)
    also = {"grad_b"} if kind == "missing 1/N" else set()  # both come from grad_z(3)
    others = found.marks.keys() - {quantity} - also
    assert all(found.marks[q] == 1.0 for q in others), found.marks


def test_what_follows_from_a_mistake_counts(tmp_path: Path) -> None:
    """A wrong z(1) alone: all that is computed rightly from it has its marks."""
    change = ("z = a @ layer.W.T + layer.b", "z = a @ layer.W.T + layer.b * (layer.m > 1)")
    found = marks(submission(tmp_path, change), require=["forward"])
    assert [f.verdict for f in found.findings] == ["wrong", *["follows"] * 5]
    assert found.marks == {"z": pytest.approx(2 / 3), "a": 1.0}
    assert found.findings[1].source == "z(1)"


def test_what_the_data_cannot_show_is_said() -> None:
    net = quiet_network([3, 4, 2], seed=0)
    X, y = data()
    assert "missing b cannot be seen" in str(grade(functions(), net, X, y, timeout=60.0))
    assert "missing 1/N" in str(grade(functions(), network(), X[:1], y[:1], timeout=60.0))
    assert "cannot be seen" not in str(grade(functions(), network(), X, y, timeout=60.0))


def test_softmax_over_the_wrong_axis(tmp_path: Path) -> None:
    net = network(output="softmax", loss="cross_entropy")
    X, y = data()
    t = np.eye(2)[(y[:, 0] > 0.5).astype(int)]
    wrong = (
        "a = layer.activation(z)",
        "a = layer.activation(z) if layer.m < 3 else np.exp(z) / np.exp(z).sum(axis=0)",
    )
    found = grade(submission(tmp_path, wrong), net, X, t, require=["a"], timeout=60.0)
    assert found.findings[-1].kinds == ("wrong axis",)


def test_columns_as_on_the_slides(tmp_path: Path) -> None:
    path = submission(
        tmp_path,
        ('found["z"].append(z)', 'found["z"].append(z.T)'),
        ('found["a"].append(a)', 'found["a"].append(a.T)'),
        ("grad_z.sum(axis=0)", "grad_z.sum(axis=0)[:, None]"),
    )
    assert marks(path, columns=True).ok
    assert marks(path).ok  # the shapes say it


def test_step_may_change_the_network(tmp_path: Path) -> None:
    path = tmp_path / "in_place.py"
    path.write_text(
        "def step(net, gradients, rate):\n"
        "    for layer, (W, b) in zip(net.layers, gradients):\n"
        "        layer.W -= rate * W\n"
        "        layer.b -= rate * b\n"
    )
    assert marks(path, require=["step"]).ok


# --- What comes out ------------------------------------------------------------------------


def test_hints_can_be_left_away(tmp_path: Path) -> None:
    path = submission(tmp_path, ("grad_z.sum(axis=0)", "grad_z.mean(axis=0)"))
    with_hints, without = marks(path), marks(path, hints=False)
    assert with_hints.marks == without.marks
    assert "mean over the N = 7 rows" in str(with_hints)
    for shown in (str(without), without._repr_html_(), without.to_json()):
        assert "mean" not in shown
        assert "wrong" in shown
    with pytest.raises(AssertionError) as caught:
        without.raise_if_failed()
    assert "mean" not in str(caught.value)


def test_as_dict_and_json(tmp_path: Path) -> None:
    found = marks(submission(tmp_path, ("grad_z.sum(axis=0)", "grad_z.mean(axis=0)")))
    data = json.loads(found.to_json())
    assert data == found.to_dict()
    assert data["name"] == "ann"
    assert data["marks"]["grad_b"] == 0.0
    assert data["score"] == pytest.approx(5 / 6)
    (first, *_) = [f for f in data["findings"] if f["quantity"] == "grad_b"]
    assert first == {
        "quantity": "grad_b",
        "layer": 3,
        "verdict": "wrong",
        "kinds": ["mean instead of sum"],
        "sentence": first["sentence"],
    }
    assert "<table" in found._repr_html_()


def test_single_quantities_can_be_required(tmp_path: Path) -> None:
    found = marks(submission(tmp_path), require=["grad_W", "z"])
    assert list(found.marks) == ["grad_W", "z"]
    found = marks(submission(tmp_path), require=["grad_z"])
    assert found.marks == {"grad_z": 0.0}  # it was not returned
    assert {f.verdict for f in found.findings if f.quantity == "grad_z"} == {"missing"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"require": []}, ["require"]),
        ({"require": 3}, ["require must be names such as", "got 3 (int)"]),
        ({"require": [["z"]]}, ["require must be names", "(list)"]),
        ({"require": ["grad_V"]}, ["grad_V", "grad_W"]),
        ({"timeout": 0}, ["timeout must be a finite number > 0, got 0"]),
        ({"timeout": float("inf")}, ["timeout must be a finite number > 0, got inf"]),
        ({"timeout": "10"}, ["timeout must be a finite number > 0, got '10' (str)"]),
        ({"memory": 0}, ["memory must be an int >= 1, got 0"]),
        ({"memory": 0.5}, ["memory must be an int >= 1, got 0.5 (float)"]),
    ],
)
def test_arguments_that_do_not_fit(options: dict[str, Any], words: list[str]) -> None:
    call = lambda: grade(functions(), network(), *data(), **options)  # noqa: E731
    message = refused(call, (ValueError, TypeError))
    assert all(word in message for word in words)


def test_a_submission_that_is_none(tmp_path: Path) -> None:
    assert "no file" in refused(lambda: marks(tmp_path / "absent.py"), ValueError)
    wrong: Any = 3
    assert "int" in refused(lambda: grade(wrong, network(), *data()), TypeError)


def test_labels_of_text() -> None:
    names = np.array(["no", "yes", "no", "yes", "no", "yes", "no"])
    X, _ = data()
    net = sb.Network([3, 4, 2], output="softmax", seed=0)
    net.fit(X, names, epochs=1, progress=False)

    def backward(net: Any, X: Array, y: Array) -> Any:
        one, two = net.layers
        grad_z2 = (two.a - np.eye(2)[y]) / len(X)
        grad_z1 = grad_z2 @ two.W * one.activation.derivative(one.z)
        return [(grad_z1.T @ X, grad_z1.sum(0)), (grad_z2.T @ one.a, grad_z2.sum(0))]

    found = grade({"backward": backward}, net, X, names, require=["backward"], timeout=60.0)
    assert found.ok, found


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e308, 1e-310])
@pytest.mark.filterwarnings("error")
def test_numbers_beyond_all_bounds_are_wrong_and_nothing_warns(value: float) -> None:
    def full(net: Any, *given: Any) -> Any:
        return [(np.full(layer.W.shape, value), np.full(layer.b.shape, -value))
                for layer in net.layers]  # fmt: skip

    def forward(net: Any, X: Array) -> Any:
        return [(np.full((N, n), value), np.full((N, n), -value)) for n in net.sizes[1:]]

    student = {"forward": forward, "backward": full, "step": full}
    found = grade(student, network(), *data(), timeout=60.0).marks
    assert found["z"] == found["grad_W"] == found["W"] == 0
    assert not sb.lab.check_backward(full, network(), *data()).ok
