"""What submissions that go wrong cannot do to the one who grades."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
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
        ("return [(X, X)] * 9", ["returned a list, which must have a pair", "3 layers"]),
        ("return input()", ["EOFError"]),
        ("yield X", ["must return a dict", "got generator"]),
        ("return {1, 2}", ["got set"]),
        ("return {'grad_W': ['x'] * 3, 'grad_b': []}", ["grad_W(1) is not an array", "'str'"]),
        ("return [([[1, 2], [3]], [1])] * 3", ["returned what cannot be read: grad_W(1)"]),
        ("return [[0] * 10**6] * 2", ["lists of more than"]),
        ("import numpy; return [[numpy.zeros(2**25, 'i1'), X]] * 3", ["more than", "numbers"]),
        ("class E(Exception):\n        __str__ = None\n    raise E", ["raised E, in line 5"]),
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
    assert "student_fn" not in problem
    assert str(found).count(f"backward {problem}.") == str(found).count(problem) == 1
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


@pytest.mark.parametrize("code", ["import os; os._exit(0)", "raise SystemExit", "y[:] = X[:] = 0"])
def test_what_backward_does_costs_nothing_of_the_other_functions(tmp_path: Path, code: str) -> None:
    found = marks(submission(tmp_path, ("layers, found = net.layers, []", f"{code}; 1 / 0")))
    assert set(found.problems) == {"backward"}
    assert (found.marks["grad_W"], found.marks["grad_b"]) == (0, 0)
    assert [found.marks[name] for name in ("z", "a", "W", "b")] == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("code", "problem"),
    [("import os; os._exit(0)", "ended its process"), ("1 / 0", "raised ZeroDivisionError")],
)
def test_a_file_that_does_not_load_is_tried_once(tmp_path: Path, code: str, problem: str) -> None:
    path = submission(tmp_path)
    counted = tmp_path / "tries"
    counted.mkdir()
    path.write_text(
        f"import tempfile; tempfile.mkdtemp(dir={str(counted)!r}); {code}\n{path.read_text()}"
    )
    found = marks(path)
    assert list(found.problems) == ["forward", "backward", "step"]
    words = f"was not called: loading the file {problem}"
    assert all(said.startswith(words) for said in found.problems.values())
    assert len(list(counted.iterdir())) == 1


def test_modules_that_look_for_temporary_files_load(tmp_path: Path) -> None:
    """As PyTorch does; and code beside the functions may try them on a network of its own."""
    path = submission(tmp_path)
    path.write_text(
        "import tempfile; tempfile.gettempdir()\n"
        "import swiftbackprop as sb; sb.Network([2, 1]).forward([[0, 1]])\n" + path.read_text()
    )
    done = subprocess.run(
        [sys.executable, "-c", _GRADES_IN_A_FRESH_PROCESS, str(path)], capture_output=True
    )
    assert done.stdout == b"1.0\n", done.stderr


_GRADES_IN_A_FRESH_PROCESS = """
import sys
import swiftbackprop as sb
net = sb.Network([3, 2], seed=0)
print(sb.lab.grade(sys.argv[1], net, [[1, 2, 3]] * 5, [[1, 2]] * 5, timeout=60.0).score)
"""


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
    """What the other functions give counts, and no process is left."""
    before = children()
    path = submission(tmp_path, ("grad_a = (layers[-1].a - y) / len(X)", code))
    found = marks(path, timeout=1.5)
    assert found.problems["backward"] == "did not end within 1.5 s"
    assert found.marks == {name: float(name in "z a W b") for name in found.marks}
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
    words = "was not called: loading the file raised SyntaxError: "
    assert found.problems["backward"].startswith(words)
    for code, words in (
        ("", "is missing: there is no function 'backward'"),
        ("backward = 3", "is no function, but of type int"),
    ):
        path.write_text(code)
        assert marks(path, require=["backward"]).problems == {"backward": words}


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
