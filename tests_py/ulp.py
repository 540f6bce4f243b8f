"""Measure the engine's activations in units in the last place; a script and a module.

Run by test_rules.py once per instruction-set level:

    SWIFTBACKPROP_ISA=v3 python ulp.py

float32 is compared with the reference in float64, float64 with the reference in the
platform's long double (skipped where that is no wider). The inputs cover every binade
of both signs, and the range where the functions bend more densely.
"""

from __future__ import annotations

import json
import math
import warnings
from typing import Any

import numpy as np

import reference
import reference_activations

Array = np.ndarray
NAMES = [name for name in reference.ACTIVATIONS if name != "softmax"]
WIDER = {"float32": np.float64, "float64": np.longdouble}


def inputs(dtype: str) -> Array:
    """Finite numbers of the type: every binade, and [-110, 110] densely."""
    integer = np.uint32 if dtype == "float32" else np.uint64
    patterns = np.random.default_rng(0).integers(
        0, np.iinfo(integer).max, 60_000, dtype=integer, endpoint=True
    )
    spread = patterns.view(dtype)
    bends = np.concatenate([np.linspace(-x, x, 8001) for x in (1.5, 10, 40, 110, 800)])
    zero = [0.0, -0.0, np.finfo(dtype).tiny, np.finfo(dtype).max, -np.finfo(dtype).max]
    x = np.concatenate([spread[np.isfinite(spread)], bends.astype(dtype), np.array(zero, dtype)])
    return np.unique(x)


def erfc_long(x: Array) -> Array:
    """erfc in long double: a series near 0, a continued fraction further out."""
    x = np.asarray(x, np.longdouble)
    size = np.abs(x)
    pi = 4 * np.arctan(np.longdouble(1))

    small = np.minimum(size, 1.5)  # erf x = 2/√π exp(−x²) Σ 2ⁿ x²ⁿ⁺¹ / (2n + 1)!!
    term = total = small
    for n in range(1, 60):
        term = term * 2 * small * small / (2 * n + 1)
        total = total + term
    near = 1 - 2 / np.sqrt(pi) * np.exp(-small * small) * total

    large = np.maximum(size, 1.0)  # erfc x = exp(−x²)/√π · 1/(x + ½/(x + 1/(x + 3/2/(x + …
    fraction = large
    for n in range(600, 0, -1):
        fraction = large + np.longdouble(n) / 2 / fraction
    far = np.exp(-large * large) / np.sqrt(pi) / fraction

    tail = np.where(size < 1.2, near, far)
    return np.where(x < 0, 2 - tail, tail)


def use_long_double_constants() -> None:
    """Let the reference's Φ and φ work in long double."""
    pi = 4 * np.arctan(np.longdouble(1))
    root = np.sqrt(np.longdouble(2))
    reference_activations.normal_cdf = lambda z: erfc_long(-z / root) / 2
    reference_activations.normal_pdf = lambda z: np.exp(-z * z / 2) / np.sqrt(2 * pi)


def worst(
    actual: Array, wanted: Array, dtype: str, condition: Array, *, absolute: bool
) -> dict[str, float]:
    """The largest error in ulp, with its place.

    `absolute` measures against max(|wanted|, 1): for derivatives, which cross zero and are
    computed from a. Results within a factor of 1024 of the smallest normal number may have
    lost digits on their way (e⁻ᶻ is subnormal before it is multiplied by z) or be flushed
    to 0.
    """
    info = np.finfo(dtype)
    with np.errstate(over="ignore"):
        rounded = wanted.astype(dtype)
    overflow = np.isinf(rounded)
    bad = np.isnan(actual) | (np.isinf(actual) != overflow) | (overflow & (actual != rounded))
    scale = np.abs(rounded) if not absolute else np.maximum(np.abs(rounded), 1)
    floor = 1024 * info.tiny
    unit = np.spacing(np.where(overflow, 1, np.maximum(scale, floor)).astype(dtype))
    error = np.abs(actual.astype(wanted.dtype) - wanted) / unit.astype(wanted.dtype) / condition
    error = np.where((np.abs(wanted) < floor) & (np.abs(actual) < 2 * floor), 0, error)
    error = np.where(overflow, 0, error)
    error = np.where(bad, math.inf, error)
    place = int(np.argmax(error))
    return {"ulp": float(error[place]), "index": place}


def measure() -> dict[str, dict[str, dict[str, Any]]]:
    """{dtype: {activation: {"value" | "derivative" | "second": {"ulp", "x"}}}}."""
    import swiftbackprop as sb

    result: dict[str, dict[str, dict[str, Any]]] = {}
    for dtype, wide in WIDER.items():
        if np.finfo(wide).eps >= np.finfo(dtype).eps:
            continue
        if wide is np.longdouble:
            use_long_double_constants()
        x = inputs(dtype)
        result[dtype] = {}
        for name in NAMES:
            ours = sb.activation(name)
            rounded = {key: wide(np.asarray(v, dtype)) for key, v in ours.defaults.items()}
            truth = reference.activation(name, **rounded)
            z = x.astype(wide)
            rows = {}
            for what, f, g in (
                ("value", truth.value, ours),
                ("derivative", truth.derivative, ours.derivative),
                ("second", truth.second_derivative, ours.second_derivative),
            ):
                with np.errstate(all="ignore"):
                    wanted = f(z)
                    if what != "value":
                        wanted = np.where(np.isnan(wanted), 0, wanted)  # 0 · ∞ far out
                condition = truth.condition(z) if what == "value" else np.ones_like(z)
                row = worst(g(x), wanted, dtype, condition, absolute=what != "value")
                rows[what] = {"ulp": row["ulp"], "x": float(x[int(row["index"])])}
            result[dtype][name] = rows
    return result


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(json.dumps(measure()))
