"""What the package tells of itself and what the environment can change."""

from __future__ import annotations

import ctypes.util
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import LEVEL_FLAGS, cpu_has, run_python, run_python_ok

SHOW = """
import contextlib, io
import swiftbackprop as sb
out = io.StringIO()
with contextlib.redirect_stdout(out):
    value = sb.show_config()
print(out.getvalue() or value)
"""
HELD_BACK = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")
NEUTRAL = dict.fromkeys(HELD_BACK, "")


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
    assert at_level == run_python_ok(WEIGHTS, env={"SWIFTBACKPROP_ISA": "baseline"})
    assert level in shown(SWIFTBACKPROP_ISA=level)


TRAINED = """
import numpy as np
import reference
from helpers import assert_same_gradients, data, quiet_network, reference_of

for dtype, tolerance in (("float64", 1e-12), ("float32", 1e-5)):
    for activation in reference.ACTIVATIONS:
        net = quiet_network([9, 37, 21, 4], activation=activation, output="softmax",
                            loss="cross_entropy", dtype=dtype, seed=1)
        if activation == "exp":  # of an exp: z(3) would be 200, and e^z has 200 times z's error
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


# --- BLAS ----------------------------------------------------------------------------------

USE = """
import numpy as np
import swiftbackprop as sb
net = sb.Network([3, 4, 2], seed=0)
print(net.predict(np.ones((2, 3), "f4")).shape)
"""


def refusal(path: str) -> str:
    """What a user reads when SWIFTBACKPROP_BLAS is `path`: one exception, no crash."""
    done = run_python(USE, env={"SWIFTBACKPROP_BLAS": path})
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
    return done.stderr.strip().splitlines()[-1]


def test_a_wrong_path_of_a_blas() -> None:
    said = refusal("/no/such/libblas.so")
    assert "/no/such/libblas.so" in said
    assert "SWIFTBACKPROP_BLAS" in said


def test_a_library_that_is_no_blas() -> None:
    name = ctypes.util.find_library("m")
    if name is None:
        pytest.skip("no libm.so to try")
    said = refusal(name)
    assert "libm" in said
    assert re.search("cblas|BLAS", said)


def test_a_file_that_is_no_library(tmp_path: Path) -> None:
    file = tmp_path / "libnonsense.so"
    file.write_text("not a library")
    assert "libnonsense.so" in refusal(str(file))
    assert str(tmp_path) in refusal(str(tmp_path))


def test_a_blas_with_64_bit_integers_is_refused() -> None:
    folder = Path(np.__file__).parent.parent / "numpy.libs"
    found = sorted(folder.glob("libscipy_openblas64*")) + sorted(folder.glob("libopenblas64*"))
    if not found:
        pytest.skip("this NumPy brings no OpenBLAS with 64-bit integers")
    said = refusal(str(found[0]))
    assert found[0].name in said
    assert re.search("64-bit|cblas", said)


def test_the_systems_blas() -> None:
    done = run_python(USE, env={"SWIFTBACKPROP_BLAS": "system"})
    if ctypes.util.find_library("openblas"):
        assert done.returncode == 0, done.stderr
        assert "openblas" in shown(SWIFTBACKPROP_BLAS="system").lower()
    else:
        assert done.returncode == 1
        assert "libopenblas" in done.stderr.strip().splitlines()[-1]


def test_a_blas_by_its_path() -> None:
    """The library in use, named by its path, works just as well."""
    path = str(sb.config()["blas"]["file"])
    assert Path(path).is_file()
    assert run_python_ok(USE, env={"SWIFTBACKPROP_BLAS": path}) == "(2, 2)\n"
    assert path in shown(SWIFTBACKPROP_BLAS=path)


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


# --- Isolation and leaks ---------------------------------------------------------------------


def test_pickling_is_refused_rather_than_wrong_or_works() -> None:
    import pickle

    net = sb.Network([2, 3], seed=0)
    try:
        again: Any = pickle.loads(pickle.dumps(net))
    except TypeError as error:
        assert "pickle" in str(error)  # noqa: PT017
    else:
        np.testing.assert_array_equal(again.parameters, net.parameters)


LEAKS = """
import gc
import numpy as np
import swiftbackprop as sb

def anonymous():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon"))

X, y = np.ones((256, 64), "f4"), np.zeros(256, int)
held = sb.Network([64, 256, 4], output="softmax", seed=0)

def turn():
    net = sb.Network([64, 256, 4], output="softmax", seed=0)
    for one in (net, held):
        a = one.forward(X); one.backward(y); one.step()
        views = [one.parameters, one.layers[0].W, one.layers[0].z, a]
        one.predict(X.astype("f8")); one.evaluate(X, y)
        one.fit(X, y, epochs=1, progress=False)
        for bad in (X.T, "x", X * np.nan):
            try:
                one.forward(bad)
            except (ValueError, TypeError):
                pass
    twin = net.copy()
    twin.reset(1)
    return views

for _ in range(30):
    turn()
gc.collect()
before = anonymous()
for _ in range(200):
    turn()
gc.collect()
print(anonymous() - before)
"""


def test_nothing_leaks() -> None:
    """One network of this size with its workspaces is about 2 MB; 200 turns keep none."""
    if not os.path.exists("/proc/self/status"):
        pytest.skip("no /proc/self/status here: memory cannot be read")
    assert int(run_python_ok(LEAKS)) < 8 * 1024
