"""What is imported when: every module can be, and what training does not need waits."""

from __future__ import annotations

import ast
import pickle
import pkgutil
import textwrap
import zlib
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import refused, run_python_ok
from swiftbackprop._net.optional import optional

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(sb.__path__, "swiftbackprop.")
    if not module.name.rpartition(".")[2].startswith(("_core", "__main__"))
)

# What training does not need, of the package and beside it.
LATER = {
    *("swiftbackprop." + name for name in (
        "data", "datasets", "lab", "schedules", "sklearn", "demo", "_train.builtin_callbacks",
        "_train.file_callbacks", "_train.progress", "_cli.main", "_export.atomic_file",
        "_export.files", "_export.spec_json", "_export.weights", "_export.torch",
        "_export.onnx", "_import.constructors", "_inspect.trace", "_inspect.trace_steps",
        "_inspect.computation_graph", "_inspect.network_diagram", "_draw.notation", "_draw.svg",
        "_draw.line_chart", "_inspect.matplotlib_plots", "_inspect.live_plot", "_inspect.html",
        "_inspect.health", "_inspect.health_callback", "_inspect.health_report", "_net.repr",
        "_net.step_plan",
    )),
    *("matplotlib", "pandas", "polars", "pyarrow", "sklearn", "scipy", "tqdm", "IPython"),
    *("safetensors", "onnx", "torch", "jax", "numpy.ma", "numpy.random"),
    *("json", "csv", "html", "argparse", "tempfile", "statistics", "secrets", "hashlib"),
    *("importlib.resources", "ctypes.util", "platform", "difflib"),
}  # fmt: skip


@pytest.mark.parametrize(
    "work",
    [
        "",
        """
        X = numpy.zeros((40, 3), numpy.float32)
        net = swiftbackprop.Network([3, 8, 2], loss="cross_entropy")
        y = numpy.arange(40) % 2
        net.fit(X, y, epochs=2, validation_split=0.25, progress=False)
        net.predict(X), net.predict_classes(X), net.evaluate(X, y)
        net.forward(X), net.backward(y), net.step()
        """,
    ],
    ids=["import", "training"],
)
def test_what_training_does_not_need_is_not_imported(work: str) -> None:
    said = run_python_ok(
        """
        import sys
        import numpy  # what some versions of NumPy import at once is theirs
        before = set(sys.modules)
        import swiftbackprop
        exec(sys.argv[1])
        print(*sorted(set(sys.modules) - before))
        """,
        textwrap.dedent(work),
    )
    assert not LATER & set(said.split())


def lazy_names() -> dict[str, str]:
    """What `__init__.py` tells type checkers: every name imported for them, and its module."""
    tree = ast.parse(Path(sb.__file__).read_text("utf-8"))
    blocks = [
        node
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    imports = [node for block in blocks for node in block.body if isinstance(node, ast.ImportFrom)]
    found = {}
    for node in imports:
        assert node.module is not None
        for alias in node.names:
            if alias.name == "*":  # the stub of the optimizers, which has a test of its own
                continue
            found[alias.name] = (node.module + ".").removeprefix("swiftbackprop.").rstrip(".")
    return {name: module or name for name, module in found.items()}


def test_type_checkers_see_the_names_that_wait() -> None:
    seen = lazy_names()
    assert seen.pop("optimizer_classes") == "_net"
    assert seen == sb._LATER


def test_names_that_wait_are_those_of_their_modules() -> None:
    for name, place in sb._LATER.items():
        module = import_module(f"swiftbackprop.{place}")
        assert getattr(sb, name) is (module if name == place else getattr(module, name))


def test_every_public_name_is_there_before_it_was_used() -> None:
    run_python_ok(
        """
        import swiftbackprop as sb
        assert "swiftbackprop.lab" not in __import__("sys").modules
        names = set(sb.__all__)
        assert len(sb.__all__) == len(names) and names >= set(sb._LATER)
        assert {*names, *sb.__dict__} >= set(dir(sb)) >= names
        assert {name for name in dir(sb) if not name.startswith("__")} <= names
        space = {}
        exec("from swiftbackprop import *", space)
        assert names <= set(space), names - set(space)
        from swiftbackprop import Adam, Checkpoint, datasets, lab, load
        assert space["lab"] is sb.lab is lab and sb.datasets is datasets
        assert space["Adam"] is sb.Adam is Adam and sb.Checkpoint is Checkpoint
        try:
            sb.labs
        except AttributeError as error:
            assert str(error) == "module 'swiftbackprop' has no attribute 'labs'"
        else:
            raise AssertionError
        assert not hasattr(sb, "__wrapped__")
        """
    )


def test_names_that_wait_are_pickled() -> None:
    text = pickle.dumps([sb.Checkpoint, sb.load, sb.Picture, sb.Adam(0.1), sb.schedules.Step(2)])
    assert pickle.loads(text)[:4] == [sb.Checkpoint, sb.load, sb.Picture, sb.Adam(0.1)]


def test_modules_need_no_peer() -> None:
    """Without PyTorch and JAX all are imported but those that are about PyTorch."""
    said = run_python_ok(
        """
        import importlib, sys

        class Absent:
            def find_spec(self, name, path=None, target=None):
                if name in ("torch", "jax"):
                    raise ModuleNotFoundError(f"No module named {name!r}", name=name)

        sys.meta_path.insert(0, Absent())
        for name in sys.argv[1:]:
            try:
                importlib.import_module(name)
            except ImportError as error:
                print(name, error, sep=": ")
        """,
        *MODULES,
    )
    refused = dict(line.split(": ", 1) for line in said.splitlines())
    places = ("_export.torch", "_import.torch", "_import.torch_chain")
    assert set(refused) == {f"swiftbackprop.{place}" for place in places}
    assert all("pip install torch" in message for message in refused.values())


def test_a_package_that_is_broken_is_not_called_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is what the package itself trips over."""
    monkeypatch.syspath_prepend(tmp_path)
    for package, line, words in (
        ("lacks", "import no_such_package", "No module named 'no_such_package'"),
        ("breaks", "from math import no_such_name", "cannot import name 'no_such_name'"),
    ):
        (tmp_path / f"{package}.py").write_text(line)
        refused(lambda name=package: optional(name, "pip install it"), ImportError, words)
    for absent in ("no_such", "no_such.part", "lacks.part", "math.part"):
        words = "no_such_package" if absent == "lacks.part" else "pip install it"
        refused(lambda name=absent: optional(name, "pip install it"), ImportError, words)


def test_what_is_saved_plotted_and_measured_says_what_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(module: str) -> None:
        raise ImportError(f"{module}: libm.so cannot be opened")

    net = sb.Network([2, 1], seed=0)
    history = net.fit(np.eye(2), [0, 1], epochs=1, progress=False)
    monkeypatch.setattr("swiftbackprop._net.optional.import_module", broken)
    for call in (
        lambda: net.save(tmp_path / "net"),
        history.plot,
        lambda: sb.metrics.auc([0, 1], [0.1, 0.9]),
    ):
        refused(call, ImportError, "libm.so cannot be opened")


def test_seeds_follow_from_the_name_of_the_test(request: pytest.FixtureRequest) -> None:
    seed = zlib.crc32(request.node.nodeid.rpartition("/")[2].encode())
    assert [sb.Network([1, 1]).seed for _ in range(2)] == [seed, (seed + 1) % 2**32]
