"""What several test files share: building pairs, data inside a loss' domain, checks."""

from __future__ import annotations

import contextlib
import io
import os
import platform
import re
import shutil
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt
import pytest

import reference
import swiftbackprop as sb

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
DTYPES = ("float32", "float64")
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}

# As by `make sanitize`: what is preloaded maps terabytes, and ends the process where it gets less.
plain_malloc = pytest.mark.skipif(
    "LD_PRELOAD" in os.environ, reason="another malloc is preloaded: memory is its own"
)

# Norms of three layers: of every kind, before and after the activation, with options.
NORMS: dict[str, Any] = {
    "batch": "batch",
    "layer": "layer",
    "after": [sb.BatchNorm(0.3, 1e-3, after=True), sb.LayerNorm(1e-4, after=True), None],
    "output": [None, "layer", sb.BatchNorm(eps=0.01)],
    "output after": [None, None, sb.LayerNorm(after=True)],
}


def unusual(parameters: Mapping[str, float]) -> dict[str, float]:
    """Values that these parameters may have, and by default have not."""

    def other(default: float) -> float:
        if default >= 1:
            return default / 2
        return 2 * default - 1 if default > 0.5 else 5 * default

    return {name: other(value) for name, value in parameters.items()}


# Hyperparameters to try, none of them a default.
OPTIMIZERS: dict[str, dict[str, float]] = {
    title: unusual(getattr(sb, title)().parameters) for title in reference.optimizers.OPTIMIZERS
}


def quiet_network(*args: Any, **keywords: Any) -> Any:
    """sb.Network without the one warning that an unusual pair gives (tested apart)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return sb.Network(*args, **keywords)


def reference_of(net: Any, activations: list[Any], loss: Any, **keywords: Any) -> reference.Network:
    """The reference network with the same parameters as `net` has now."""
    pairs = [(layer.W.copy(), layer.b.copy()) for layer in net.layers]
    norms = [None if layer.norm is None else _norm_of(layer) for layer in net.layers]
    return reference.Network(pairs, activations, loss, norms=norms, **keywords)


def _norm_of(layer: Any) -> reference.Norm:
    recipe, numbers = layer.norm, [layer.gamma.copy(), layer.beta.copy()]
    if recipe.name == "batch":
        numbers += [recipe.momentum, layer.running_mean.copy(), layer.running_var.copy()]
    return reference.Norm(recipe.name, recipe.after, recipe.eps, *numbers)


def usual_output(loss: str, outputs: int = 3) -> str:
    """An output activation that suits the loss and so many outputs."""
    output = reference.loss(loss).output
    return "sigmoid" if output == "softmax" and outputs == 1 else output


def targets(
    loss: str, rows: int, outputs: int, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Targets that the loss accepts, away from the ends of their range: [rows, outputs]."""
    return np.asarray(reference.loss(loss).targets(rng, rows, outputs))


def data(
    net_sizes: list[int], rows: int, loss: str, dtype: npt.DTypeLike, seed: int = 0
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """X ~ normal, [rows, D(0)], and matching targets, [rows, D(L)]."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, net_sizes[0])).astype(dtype)
    return X, targets(loss, rows, net_sizes[-1], rng).astype(dtype)


def assert_matches(
    actual: npt.ArrayLike,
    wanted: npt.ArrayLike,
    tolerance: float,
    what: str = "array",
    *,
    least: float = 1e-3,
) -> None:
    """‖actual − wanted‖ ≤ tolerance · max(‖wanted‖, least).

    Below `least` wanted is next to 0: what is left of larger numbers, whose rounding stays.
    """
    x, r = np.asarray(actual), np.asarray(wanted)
    assert x.shape == r.shape, f"{what}: shape {x.shape}, wanted {r.shape}"
    assert np.all(np.isfinite(x)), f"{what} is not finite"
    error = np.linalg.norm((x.astype(np.float64) - r).ravel())
    scale = max(float(np.linalg.norm(r.astype(np.float64).ravel())), least)
    assert error <= tolerance * scale, f"{what}: {error / scale:.2e} > {tolerance:.0e}"


def assert_same_gradients(
    net: Any, truth: reference.Network, tolerance: float, where: str = "", *, least: float = 1e-3
) -> None:
    """Every quantity of every layer, then the flat views."""
    names = ("z", "a", "grad_W", "grad_b", "grad_z", "grad_a")
    for layer, wanted in zip(net.layers, truth.layers, strict=True):
        for name in names:
            what = f"{where} {name}({layer.m})"
            actual, expected = getattr(layer, name), getattr(wanted, name)
            assert_matches(actual, expected, tolerance, what, least=least)
    grad_X, everything = net.layer(0).grad_a, net.gradients
    assert_matches(grad_X, truth.grad_X, tolerance, f"{where} grad_a(0)", least=least)
    assert_matches(everything, truth.gradients, tolerance, f"{where} gradients", least=least)


def relative_difference(g: npt.NDArray[Any], n: npt.NDArray[Any]) -> float:
    """‖g − n‖ / (‖g‖ + ‖n‖), or ‖g − n‖ where both are below 1e-10, as docs/meaning.md says."""
    apart, size = np.linalg.norm(g - n), np.linalg.norm(g) + np.linalg.norm(n)
    return float(apart if size < 1e-10 else apart / size)


def assert_gradients(net: Any, X: npt.NDArray[Any], cost: Callable[[], float]) -> None:
    """All gradients, grad_a(0) too, beside central differences of what `cost` returns."""
    cost()
    wanted, grad_X = net.gradients.copy(), net.layer(0).grad_a.copy()
    for values, gradient in ((net.parameters, wanted), (X.reshape(-1), grad_X.reshape(-1))):
        numeric = np.empty_like(gradient)
        for i, value in enumerate(values.copy()):
            costs = []
            for step in (1e-5, -1e-5):
                values[i] = value + step
                costs.append(cost())
            values[i] = value
            numeric[i] = (costs[0] - costs[1]) / 2e-5
        assert relative_difference(gradient, numeric) < 1e-7


def run_main(
    main: Callable[[list[str]], int],
    folder: Path,
    *arguments: object,
    stdout: TextIO | None,
    stderr: TextIO | None,
) -> int:
    """Run a command in this process, as one of its own would import all again."""
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
    ):
        try:
            return main([str(argument) for argument in arguments])
        except SystemExit as error:  # argparse
            return int(error.code or 0)


def said_by(
    main: Callable[[list[str]], int], folder: Path, *arguments: object
) -> subprocess.CompletedProcess[str]:
    """Run a command in this process and return what it said."""
    out, err = io.StringIO(), io.StringIO()
    status = run_main(main, folder, *arguments, stdout=out, stderr=err)
    return subprocess.CompletedProcess(arguments, status, out.getvalue(), err.getvalue())


def run_python(
    code: str,
    *arguments: str,
    env: dict[str, str] | None = None,
    timeout: float = 120,
) -> subprocess.CompletedProcess[str]:
    """Run `code` in a fresh interpreter that can import the package and tests_py.

    One that is emulated has ten times as long.
    """
    folders = [str(TESTS), *(str(folder) for folder in sorted(TESTS.iterdir()) if folder.is_dir())]
    path = os.pathsep.join([*folders, *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, **(env or {})}
    for name in ("PYTHONWARNINGS", "PYTEST_CURRENT_TEST"):
        environment.pop(name, None)
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        env=environment,
        cwd=TESTS,
        capture_output=True,
        text=True,
        timeout=timeout * (10 if "EMULATED_PYTHON" in os.environ else 1),
        check=False,
    )


def run_python_ok(code: str, *arguments: str, **keywords: Any) -> str:
    """As run_python; the script must end well. Returns what it printed."""
    done = run_python(code, *arguments, **keywords)
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def compiler(*names: str) -> str:
    """The first of these that is installed."""
    for name in names:
        if path := shutil.which(name):
            return path
    pytest.skip(f"none of {', '.join(names)} is installed")


def refused(
    call: Callable[[], object],
    kinds: type[Exception] | tuple[type[Exception], ...],
    *patterns: str,
) -> str:
    """`call` raises one of `kinds` with a message that matches every pattern."""
    with pytest.raises(kinds) as caught:
        call()
    message = str(caught.value)
    for pattern in patterns:
        assert re.search(pattern, message, re.IGNORECASE | re.DOTALL), (
            f"{pattern!r} is not in: {message}"
        )
    assert "\n\n" not in message
    return message


# --- What the tables of errors call with wrong arguments ---------------------------

N, D0, DL = 20, 3, 4


def network(**keywords: Any) -> Any:
    """A classifier [D0, 6, DL]."""
    options = {"output": "softmax", "loss": "cross_entropy", "seed": 0} | keywords
    return quiet_network([D0, 6, DL], **options)


def inputs(*shape: int, dtype: str = "float32") -> npt.NDArray[Any]:
    """Normal numbers, [N, D0] unless a shape is given; the same ones every time."""
    return np.random.default_rng(0).normal(size=shape or (N, D0)).astype(dtype)


def labels() -> npt.NDArray[np.int64]:
    """A class for each of the N rows."""
    return np.arange(N) % DL


def blas_of_numpy() -> list[Any]:
    """The OpenBLAS that comes with NumPy, for its number of threads; a system's may be ours too."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return []
    libraries = ThreadpoolController().lib_controllers
    return [library for library in libraries if "numpy.libs" in Path(library.filepath).parts]


# --- Instruction-set levels (SWIFTBACKPROP_ISA) ------------------------------------

LEVEL_FLAGS = {
    "baseline": set[str](),
    "v3": {"avx2", "fma", "bmi1", "bmi2", "movbe", "f16c", "abm"},
    "v4": {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
}


def cpu_has(level: str) -> bool:
    """Whether this CPU runs the engine's build of that level (v4 needs v3 too)."""
    if platform.machine() != "x86_64":  # qemu-user shows the real machine's /proc/cpuinfo
        return level == "baseline"
    try:
        info = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return level == "baseline"
    flags = next(
        (set(line.split()) for line in info.splitlines() if line.startswith("flags")),
        set[str](),
    )
    order = list(LEVEL_FLAGS)
    return all(LEVEL_FLAGS[name] <= flags for name in order[: order.index(level) + 1])
