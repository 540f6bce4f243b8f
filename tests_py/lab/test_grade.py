"""sb.lab.grade: submissions that are right, wrong, broken, endless and greedy."""

from __future__ import annotations

import contextlib
import json
import os
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


# --- What is contained ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("return 1 / 0", ["ZeroDivisionError", "line 3"]),
        ("raise SystemExit(3)", ["SystemExit"]),
        ("raise KeyboardInterrupt", ["KeyboardInterrupt"]),
        ("import os; os._exit(0)", ["ended its process"]),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", ["ended its process"]),
        ("return backward(net, X, y)", ["RecursionError"]),
        ("return [0] * 10**12", ["memory"]),
        ("import numpy; return numpy.ones((10**6, 10**6))", ["memory", "MemoryError"]),
        ("return None", ["returned None"]),
        ("return 'grad_W'", ["pairs"]),
        ("return {'grad_W': 'x', 'grad_b': X}", ["grad_W"]),
        ("return {'grad_Q': []}", ["grad_Q"]),
        ("return [(X, X)] * 9", ["pair", "3 layers"]),
        ("return input()", ["EOFError"]),
        ("return net.backward(y)", ["RuntimeError", "yours to compute"]),
        ("net.layers[0].grad_W", ["RuntimeError", "yours to compute"]),
        ("return net.copy().backward(y)", ["RuntimeError"]),
        ("import swiftbackprop as sb; other = sb.Network(net.sizes, seed=0)\n"
         "    other.forward(X); other.backward(y)", ["RuntimeError", "line 4"]),
        ("import swiftbackprop as sb\n"
         "    return sb.Network(net.sizes).jacobian(X, layer=1)", ["RuntimeError"]),
        ("import swiftbackprop as sb\n"
         "    return sb.Network(net.sizes).gradcheck(X, y)", ["RuntimeError"]),
    ],
)  # fmt: skip
def test_errors_stay_where_they_are(tmp_path: Path, code: str, words: list[str]) -> None:
    path = tmp_path / "bad.py"
    path.write_text(f"\ndef backward(net, X, y):\n    {code}\n")
    found = marks(path, require=["backward"], memory=512)
    assert found.score == 0.0
    assert [f.verdict for f in found.findings] == ["missing"] * 6
    problem = found.problems["backward"]
    assert (
        any(word in problem for word in words)
        if "memory" in words
        else all(word in problem for word in words)
    ), problem
    assert "backward" in str(found)
    with pytest.raises(AssertionError, match="backward"):
        found.raise_if_failed()


def children() -> set[int]:
    """The processes that this one started, also those that ended and were not waited for."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended just now
            parent = stat.read_text().rpartition(")")[2].split()[1]
            if int(parent) == os.getpid():
                found.add(int(stat.parent.name))
    return found


@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        "import time; time.sleep(600)",
        "import signal; signal.signal(15, signal.SIG_IGN); signal.signal(24, signal.SIG_IGN)\n"
        "    while True: pass",
        "import os\n    if os.fork() == 0:\n        while True: pass\n    while True: pass",
        "3 ** 10**9",
    ],
)
def test_endless_loops_are_ended(tmp_path: Path, code: str) -> None:
    """What came before them counts, and no process is left."""
    before = children()
    path = submission(tmp_path, ("grad_a = (layers[-1].a - y) / len(X)", code))
    found = marks(path, timeout=3.0)
    assert found.problems["backward"] == "did not end within 3 s"
    assert found.marks["z"] == found.marks["a"] == 1.0
    assert found.marks["grad_W"] == found.marks["W"] == 0.0
    assert str(path.name) not in Path(f"/proc/{os.getpid()}/cmdline").read_text()
    assert children() <= before


def test_what_is_forbidden_while_forward_runs(tmp_path: Path) -> None:
    for code in ("net.forward(X)", "net.predict(X)", "net.layers[0].z", "net.layers[1].a",
                 "import swiftbackprop as sb; sb.Network([3, 2]).forward(X)"):  # fmt: skip
        path = tmp_path / "bad.py"
        path.write_text(f"def forward(net, X):\n    {code}\n")
        found = marks(path, require=["forward"])
        assert "RuntimeError" in found.problems["forward"], found.problems
        assert "yours to compute" in found.problems["forward"]


def test_a_file_that_cannot_be_read_as_python(tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text("def backward(net, X, y:\n")
    found = marks(path, require=["backward"])
    assert "SyntaxError" in found.problems["backward"]
    path.write_text("")
    assert "no function 'backward'" in marks(path, require=["backward"]).problems["backward"]


def test_nothing_is_printed_or_written(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "kept.txt"
    target.write_text("as it was")
    path = tmp_path / "loud.py"
    path.write_text(
        "import os\nprint('at import')\n"
        "def backward(net, X, y):\n"
        "    print('inside')\n    os.system('echo shell')\n"
        f"    with open({str(target)!r}, 'a') as file: file.write('x' * 99)\n"
    )
    found = marks(path, require=["backward"])
    assert "OSError" in found.problems["backward"]
    assert capfd.readouterr() == ("", "")
    assert target.read_text() == "as it was"
    assert not (tmp_path / "__pycache__").exists()


def test_the_network_and_this_process_stay_as_they_are(tmp_path: Path) -> None:
    net, (X, y) = network(), data()
    before = net.parameters.copy()
    change = ("def step(net, gradients, rate):", "def step(net, gradients, rate):\n"
              "    net.parameters[:] = 0\n    import os; os.environ['GRADED'] = '1'\n")  # fmt: skip
    grade(submission(tmp_path, change), net, X, y, timeout=60.0)
    assert np.array_equal(net.parameters, before)
    assert "GRADED" not in os.environ
    net.forward(X)
    net.backward(y)
    assert np.any(net.gradients)


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
