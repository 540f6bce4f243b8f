"""What submissions that go wrong cannot do to the one who grades."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import numpy as np
import pytest

from swiftbackprop.lab import grade
from test_grade import data, marks, network, submission


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
