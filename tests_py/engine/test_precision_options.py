"""`precision` as an option: of networks, files and plans."""

from __future__ import annotations

import os
import threading
from typing import Any

import numpy as np

import swiftbackprop as sb
from helpers import refused, run_python, run_python_ok
from rounding import ROUNDING, data, make, unit_here
from swiftbackprop._net import state


def test_precision_can_be_read_and_set() -> None:
    net = sb.Network([4, 3], seed=0)
    assert net.precision == "float32"
    assert "precision" not in repr(net)
    for precision in (*ROUNDING, "auto"):
        net.precision = precision
        assert net.precision == precision
        assert f"precision='{precision}'" in repr(net)
        assert f"precision {precision}" in str(net.summary())
        assert net.copy().precision == precision
        assert eval(repr(net), vars(sb)).precision == precision
    net.precision = None
    assert net.precision == "float32"
    assert sb.Network([4, 3], dtype="float64").precision == "float64"
    assert sb.Network([4, 3], dtype="float64", precision="float64").precision == "float64"


def test_other_precisions_are_refused() -> None:
    net = sb.Network([4, 3], precision="bf16x2", seed=0)

    def set_to(value: Any) -> None:
        net.precision = value

    refused(lambda: set_to("bf16"), ValueError, "it is called 'bfloat16' here")
    refused(lambda: set_to(16), TypeError, "precision must be a str, one of 'float32', .*got 16")
    refused(lambda: sb.Network([2, 1], precision="half"), ValueError, "bfloat16, auto")
    refused(
        lambda: sb.Network([2, 1], dtype="float64", precision="bfloat16"),
        ValueError,
        "precision='bfloat16' is for networks of dtype float32",
    )
    assert net.precision == "bf16x2"


def test_gradient_checks_and_derivatives_round_nothing() -> None:
    X, t = data([5, 4, 2], 6)
    net = make([5, 4, 2], "bfloat16", seed=1)
    assert net.gradcheck(X, t).ok
    exact = make([5, 4, 2], None, seed=1)
    np.testing.assert_array_equal(net.jacobian(X, layer=1), exact.jacobian(X, layer=1))
    for method in ("loops", "vectors"):
        exact.forward(X, method=method)
        net.forward(X, method=method)
        np.testing.assert_array_equal(net.layer(1).z, exact.layer(1).z)


def test_a_plan_says_who_multiplies() -> None:
    here = {"tiles": "AMX", "dot": "AVX512-BF16", "emulated": "no products of bfloat16"}
    for precision, words in (
        ("bfloat16", "rounded to bfloat16"),
        ("bf16x2", "sums of two bfloat16, in three products"),
        ("bf16x3", "sums of three bfloat16, in six products"),
    ):
        said = make([784, 128, 10], precision).plan(batch_size=128)
        assert here[unit_here()] in said
        assert words in said
    # What has few terms is left alone: z(2) of 32 and grad_a(1) of 10.
    said = make([784, 32, 10], "bf16x3").plan(batch_size=128)
    assert "make z(1) and grad_W(1..2): factors are sums of three" in said
    said = make([784, 512, 10], "auto").plan(batch_size=128)
    assert ("z(1)" in said.partition("AMX")[2]) == (unit_here() == "tiles")
    assert "precision='auto' rounds none" in make([4, 3], "auto").plan()


TRAINED = """
import numpy as np
import swiftbackprop as sb
rng = np.random.default_rng(0)
X, y = rng.standard_normal((256, 100), dtype=np.float32), rng.integers(0, 5, 256)
for precision in ("bfloat16", "bf16x2", "bf16x3", "auto"):
    net = sb.Network([100, 80, 5], loss="cross_entropy", optimizer=sb.SGD(0.1), seed=0,
                     precision=precision)
    net.fit(X, y, epochs=3, batch_size=64, progress=False)
    print(*net.parameters[::50].astype(float))
print(sb.config()["engine"]["bfloat16"])
"""


def test_units_agree_and_can_be_hidden() -> None:
    """What another unit trains differs by the order of float32 sums alone."""
    runs = {}
    for unit in ("", "dot", "emulated"):
        *lines, name = run_python_ok(TRAINED, env={"SWIFTBACKPROP_BF16": unit}).splitlines()
        assert not (unit and "tile" in name)
        assert not (unit == "emulated" and "emulated" not in name)
        runs[unit] = np.array([[float(x) for x in line.split()] for line in lines])
    for other in ("dot", "emulated"):
        np.testing.assert_allclose(runs[other], runs[""], rtol=0, atol=2e-5)


def test_other_threads_see_the_precision_during_derivatives() -> None:
    net = make([40, 60, 2], "bfloat16")
    X, _ = data([40, 60, 2], 3000)
    seen: list[str] = []

    def derive() -> None:
        while len(seen) < 100:
            net.jacobian(X, layer=1)

    thread = threading.Thread(target=derive)
    thread.start()
    while thread.is_alive():
        seen.append(net.precision)
    thread.join()
    assert set(seen) == {"bfloat16"}


def test_states_without_a_precision_set_it_to_none() -> None:
    """Files of versions that had none; and what no file may have."""
    net = make([4, 3], "bf16x2")
    options = state.options(net)
    assert options.pop("precision") == 2
    state.set_options(net, options)
    assert net.precision == "float32"
    for bad in (2.5, -1.0, 5.0, float("nan")):
        refused(
            lambda bad=bad: state.set_options(net, {"precision": bad}),
            ValueError,
            "precision must be one of the numbers 0 to 4",
        )
    double = make([4, 3], None, dtype="float64")
    refused(lambda: state.set_options(double, {"precision": 1.0}), ValueError, "dtype float32")
    refused(
        lambda: state.set_options(net, {"precisions": 1.0}), ValueError, "did you mean 'precision'"
    )


def test_a_forked_child_trains_with_the_same_bits() -> None:
    net, other = (make([200, 96, 3], "bf16x2", optimizer=sb.Adam(0.01)) for _ in range(2))
    X, t = data([200, 96, 3], 256)
    net.fit(X, t, epochs=1, batch_size=128, progress=False)
    child = os.fork()
    if child == 0:
        other.fit(X, t, epochs=1, batch_size=128, progress=False)
        os._exit(not np.array_equal(other.parameters, net.parameters))
    assert os.waitpid(child, 0)[1] == 0


def test_unknown_units_are_refused() -> None:
    done = run_python("import swiftbackprop", env={"SWIFTBACKPROP_BF16": "amx"})
    assert "SWIFTBACKPROP_BF16 is 'amx'; it can be dot, emulated" in done.stderr
