"""What the package tells of itself; instruction-set levels; the compiled module."""

from __future__ import annotations

import re
import subprocess
import sysconfig
from pathlib import Path

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import LEVEL_FLAGS, compiler, cpu_has, run_python, run_python_ok

SHOW = """
import contextlib, io
import swiftbackprop as sb
out = io.StringIO()
with contextlib.redirect_stdout(out):
    value = sb.show_config()
print(out.getvalue() or value)
"""


def shown(**env: str) -> str:
    return run_python_ok(SHOW, env=env)


def test_show_config_says_what_is_used() -> None:
    text = shown()
    assert sb.__version__ in text
    for word in ("openblas", "thread", "level", np.__version__):
        assert word.lower() in text.lower(), f"{word!r} is not in\n{text}"
    assert re.search(r"/\S+\.so", text), text
    assert any(name in text for name in LEVEL_FLAGS), text


def test_show_config_names_what_holds_openblas_back() -> None:
    text = shown(OPENBLAS_CORETYPE="Haswell")
    assert "OPENBLAS_CORETYPE" in text
    assert "Haswell" in text
    assert "OPENBLAS_NUM_THREADS" in shown(OPENBLAS_NUM_THREADS="1")


def test_set_num_threads_shows() -> None:
    text = run_python_ok(SHOW.replace("out =", "sb.set_num_threads(1)\nout =", 1))
    assert re.search(r"thread\D{0,40}\b1\b", text, re.IGNORECASE), text


# --- Instruction-set levels ----------------------------------------------------------------

WEIGHTS = """
import hashlib
import numpy as np
import swiftbackprop as sb

digest = hashlib.sha256()
for name in sb.initializers():
    for dtype in ("float32", "float64"):
        net = sb.Network([17, 33, 5], initializer=name, dtype=dtype, seed=123)
        digest.update(net.parameters.tobytes())
print(digest.hexdigest())

# the shuffled order: each row moves a weight of its own, by a step that shrinks with time
X, y = np.eye(12, dtype="f8"), np.zeros((12, 1))
net = sb.Network([12, 1], loss="squared_error", optimizer=sb.SGD(0.1), dtype="float64",
                 seed=5, initializer="zeros")
net.layers[0].b = [1.0]
net.fit(X, y, epochs=1, batch_size=1, progress=False)
print(np.argsort(np.abs(net.layers[0].W[0])).tolist())
"""


def test_the_same_weights_at_every_level(level: str) -> None:
    at_level = run_python_ok(WEIGHTS, env={"SWIFTBACKPROP_ISA": level})
    assert at_level == run_python_ok(WEIGHTS, env={"SWIFTBACKPROP_ISA": ""})  # the best
    assert level in shown(SWIFTBACKPROP_ISA=level)


TRAINED = """
import numpy as np
import reference
from helpers import assert_same_gradients, data, quiet_network, reference_of

for dtype, tolerance in (("float64", 1e-12), ("float32", 1e-5)):
    for activation in reference.ACTIVATIONS:
        net = quiet_network([9, 37, 21, 4], activation=activation, output="softmax",
                            loss="cross_entropy", dtype=dtype, seed=1)
        if reference.activation(activation).is_steep:  # e^z has 200 times z's error where z is 200
            net.parameters[:] *= 0.2
        names = [activation, activation, "softmax"]
        truth = reference_of(net, names, "cross_entropy")
        for rows in (1, 67):
            X, t = data([9, 37, 21, 4], rows, "cross_entropy", dtype)
            for step in range(3):
                net.forward(X); truth.forward(X)
                net.backward(t); truth.backward(t)
                assert_same_gradients(net, truth, tolerance, activation)
                net.step(); truth.step()
print("ok")
"""


def test_training_equals_the_reference_at_every_level(level: str) -> None:
    assert run_python_ok(TRAINED, env={"SWIFTBACKPROP_ISA": level}) == "ok\n"


@pytest.mark.parametrize("kernel", ["Haswell", "SkylakeX", "Nehalem"])
def test_training_equals_the_reference_with_other_kernels(kernel: str) -> None:
    if (kernel == "SkylakeX" and not cpu_has("v4")) or (kernel == "Haswell" and not cpu_has("v3")):
        pytest.skip(f"this CPU cannot run OpenBLAS' {kernel} kernel: not tested here")
    assert run_python_ok(TRAINED, env={"OPENBLAS_CORETYPE": kernel}) == "ok\n"


def test_the_best_level_is_chosen() -> None:
    best = [name for name in LEVEL_FLAGS if cpu_has(name)][-1]
    assert best in shown(SWIFTBACKPROP_ISA="")


def test_an_unknown_level_is_refused() -> None:
    done = run_python("import swiftbackprop", env={"SWIFTBACKPROP_ISA": "v9"})
    assert done.returncode == 1
    assert "SWIFTBACKPROP_ISA" in done.stderr
    assert "v9" in done.stderr
    assert "baseline" in done.stderr


def test_import_reads_nothing_it_does_not_need() -> None:
    said = run_python_ok(
        """
        import sys
        import swiftbackprop
        heavy = ("sklearn", "matplotlib", "torch", "pandas", "IPython", "safetensors", "scipy")
        print([name for name in heavy if name in sys.modules])
        """
    )
    assert said == "[]\n"


# --- The compiled module --------------------------------------------------------------------


def test_the_modules_are_of_the_limited_api_and_export_one_function() -> None:
    modules = sorted(Path(sb.__file__).parent.glob("_core*.so"))
    assert modules
    # The limited API has no form for an interpreter without a GIL.
    no_gil = sysconfig.get_config_var("Py_GIL_DISABLED")
    suffix = sysconfig.get_config_var("EXT_SUFFIX") if no_gil else ".abi3.so"
    for module in modules:
        name = module.name.partition(".")[0]
        assert module.name == f"{name}{suffix}"
        said = subprocess.run(
            [compiler("nm"), "-D", "--defined-only", str(module)],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        exported = [line.split()[-1] for line in said.splitlines()]
        assert exported == [f"PyInit_{name}"]


def test_two_instances_of_the_module_are_isolated() -> None:
    """Multi-phase initialisation: types and exceptions belong to one module object."""
    said = run_python_ok(
        """
        import gc, importlib.util
        from swiftbackprop._engine.loader import blas, core

        for turn in range(20):
            spec = importlib.util.spec_from_file_location(core.__name__, core.__file__)
            twin = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(twin)
            assert twin is not core
            for name in ("Net", "View", "FitSession", "DivergenceError"):
                assert getattr(twin, name) is not getattr(core, name), name
            rules = [("tanh", None)], [("he_normal", None)], ("squared_error", None), ("sgd", None)
            nets = []
            for module in (core, twin):
                net = module.Net()
                net._create((2, 1), "float64", *rules, 0.0, 0.0, 0.0, 7)
                nets.append(net)
            views = [memoryview(net._view(module.PARAMETERS, 0)).tolist()
                     for net, module in zip(nets, (core, twin))]
            assert views[0] == views[1]
            try:
                core.Net()._copy_from(nets[1])  # a net of the other module
            except TypeError:
                pass
            else:
                raise SystemExit("nets of two modules were mixed")
            net = nets[1]
            del twin, nets, module
            gc.collect()
            net.close()  # the type keeps its module's state alive
        print("isolated")
        """
    )
    assert said == "isolated\n"
