"""What must not go wrong when callers change things under the engine's feet."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import run_python_ok

X = np.random.default_rng(0).normal(size=(64, 3))
LABELS = np.random.default_rng(1).integers(0, 4, 64)


def regression(optimizer: Any = "sgd", **options: Any) -> sb.Network:
    return sb.Network([3, 1], dtype="float64", seed=0, optimizer=optimizer, **options)


def classifier(**options: Any) -> sb.Network:
    return sb.Network(
        [3, 5, 4], output="softmax", loss="cross_entropy", dtype="float64", seed=0, **options
    )


@pytest.mark.parametrize("bad", [2**33, -40, 4])
def test_labels_that_change_during_fit(bad: int) -> None:
    """They were checked; a later look at them must not write outside the targets."""
    run_python_ok(
        f"""
        import numpy as np, swiftbackprop as sb
        X, y = np.ones((64, 3)), np.zeros(64, np.int64)
        net = sb.Network([3, 5, 4], output="softmax", dtype="float64", seed=0)
        def spoil(net, epoch, logs):
            y[:] = {bad}
        try:
            net.fit(X, y, epochs=5, callbacks=[spoil], progress=False, validation_data=(X, y))
        except ArithmeticError:
            pass
        net.predict(X)
        """
    )


@pytest.mark.parametrize("size", [-(2**63), -1, 0, 2**63 - 1])
def test_plans_of_impossible_batches(size: int) -> None:
    net = classifier()
    if size < 1:
        with pytest.raises(ValueError, match="batch_size"):
            net.plan(batch_size=size)
    else:
        assert "step" in net.plan(batch_size=size)
    assert net._plan(size, 2) >= 1


def test_a_view_is_no_network_to_copy() -> None:
    net = classifier()
    view = net.layers[0].W.base
    while isinstance(view, np.ndarray):
        view = view.base
    other = sb.Network.__new__(sb.Network)
    for wrong in (view, getattr(view, "obj", view), None, 1):
        with pytest.raises(TypeError, match="network"):
            other._copy_from(wrong)  # type: ignore[arg-type]


def test_a_busy_network_always_says_so() -> None:
    """A fit may end between the refusal and its message."""
    net = classifier()
    net.forward(X)
    stop, wrong = threading.Event(), []

    def knock() -> None:
        while not stop.is_set():
            try:
                net.forward(X)
                net.backward(LABELS)
                net.step()
            except RuntimeError:
                pass
            except BaseException as error:  # a SystemError would be a hole in the shim
                wrong.append(error)

    threads = [threading.Thread(target=knock) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(300):
        with contextlib.suppress(RuntimeError):
            net.fit(X, LABELS, epochs=1, progress=False)
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize(
    "options",
    [
        {"l2": 1e39},
        {"optimizer": "SGD", "lr": 1e39},
        {"optimizer": "AdamW", "weight_decay": 1e43},
    ],
)
def test_numbers_beyond_the_dtype_never_reach_the_weights(options: dict[str, Any]) -> None:
    name = options.pop("optimizer", None)
    hyper = {key: options.pop(key) for key in ("lr", "weight_decay") if key in options}
    try:
        recipe = getattr(sb, name)(**hyper) if name else "sgd"
        net = sb.Network([3, 1], seed=0, optimizer=recipe, **options)
    except ValueError:
        with pytest.raises(ValueError, match="dtype"):
            sb.Network([3, 1], seed=0, optimizer=recipe, **options)
        return
    with pytest.raises(sb.DivergenceError):
        net.fit(X.astype("f4"), np.ones((64, 1), "f4"), epochs=50, progress=False)
    assert np.isfinite(net.parameters).all()


def test_weights_that_grow_without_a_gradient_stay_finite() -> None:
    """l2 so large that each step turns W over and makes it larger."""
    net = sb.Network([3, 1], seed=0, optimizer=sb.SGD(0.1), l2=100)
    nothing = np.zeros((64, 3), np.float32)
    with pytest.raises(sb.DivergenceError):
        net.fit(nothing, np.zeros((64, 1), np.float32), epochs=200, progress=False)
    assert np.isfinite(net.parameters).all()


@pytest.mark.parametrize("rule", ["Adam", "RMSprop", "Adagrad"])
def test_a_tiny_epsilon_makes_no_nan(rule: str) -> None:
    """A dead input gives 0/(0 + epsilon), and epsilon is 0 in float32."""
    dead = np.concatenate([X[:, :2], np.zeros((64, 1))], axis=1).astype("f4")
    try:
        net = sb.Network([3, 1], seed=0, optimizer=getattr(sb, rule)(epsilon=1e-50))
        net.fit(dead, np.ones((64, 1), "f4"), epochs=2, progress=False)
    except (ValueError, sb.DivergenceError):
        return
    assert np.isfinite(net.parameters).all()


def test_a_refused_step_is_not_counted() -> None:
    net = regression(sb.Adam(0.1))
    net.forward(X)
    net.backward(np.zeros((64, 1)))
    net.gradients[:] = np.finfo(float).max / 2
    before = net.step_count
    with pytest.raises(sb.DivergenceError):
        net.step()
    assert net.step_count == before


@pytest.mark.parametrize("optimizer", ["sgd", "momentum"])
def test_gradients_after_a_stopped_fit_are_of_one_batch(optimizer: str) -> None:
    net = regression(optimizer)
    t = X.sum(axis=1, keepdims=True)
    begun = threading.Event()
    rows = np.tile(X, (20_000, 1)), np.tile(t, (20_000, 1))

    def stop_soon() -> None:
        begun.wait()
        net.stop()

    class Began:
        def on_train_begin(self, net: sb.Network) -> None:
            begun.set()

    thread = threading.Thread(target=stop_soon)
    thread.start()
    net.fit(*rows, epochs=50, batch_size=7, progress=False, callbacks=[Began()])
    thread.join()
    layer = net.layers[0]
    if np.abs(layer.grad_b).max() > 1e-12:
        assert np.abs(layer.grad_W).max() > 0


def test_gradients_after_a_last_batch_without_weight() -> None:
    t = np.ones((64, 1))
    weight = np.ones(64)
    weight[32:] = 0
    results = []
    for optimizer in (sb.SGD(0.1), sb.Momentum(0.1, momentum=0.0)):
        net = regression(optimizer)
        net.fit(X, t, epochs=1, shuffle=False, sample_weight=weight, progress=False)
        results.append(net.gradients.copy())
    np.testing.assert_allclose(results[0], results[1], rtol=1e-12)


def test_reset_forgets_the_pass() -> None:
    net = classifier()
    net.forward(X)
    net.backward(LABELS)
    net.reset(1)
    with pytest.raises(RuntimeError, match="forward"):
        net.layers[0].z  # noqa: B018
    with pytest.raises(RuntimeError):
        net.layer(0).grad_a  # noqa: B018


def test_a_weightless_batch_and_then_a_forward() -> None:
    net = regression(sb.Momentum(0.1), l2=0.5)
    before = net.parameters.copy()
    net.forward(X)
    net.backward(np.ones((64, 1)), sample_weight=np.zeros(64))
    net.forward(X)
    net.step()
    assert np.array_equal(net.parameters, before)
    net.gradients[:] = 1  # a gradient of one's own is one to follow
    net.step()
    assert not np.array_equal(net.parameters, before)


def test_no_step_from_what_a_failed_backward_left() -> None:
    net = sb.Network([1, 1], output="exp", loss="squared_error", dtype="float64", seed=0)
    net.layers[0].W = [[1.0]]
    one = np.ones((1, 1))
    net.forward(one)
    net.backward(one)
    net.forward(np.full((1, 1), 600.0))
    with pytest.raises(sb.DivergenceError):
        net.backward(one)
    with pytest.raises(RuntimeError, match="backward"):
        net.step()


def test_r2_with_a_first_row_without_weight() -> None:
    net = sb.Network([1, 1], dtype="float64", initializer="zeros", seed=0)
    t, weight = np.array([5, 0.1, 0.2, 0.3]), np.array([0.0, 1, 1, 1])
    scores = [
        net.evaluate(np.ones((n, 1)), t[-n:], sample_weight=weight[-n:])["r2"] for n in (4, 3)
    ]
    assert scores[0] == pytest.approx(scores[1], rel=1e-12)


def test_wide_regressions_report_a_lack_of_memory() -> None:
    """The metrics' sums are as checked as everything else."""
    run_python_ok(
        """
        import resource
        import numpy as np, swiftbackprop as sb
        net = sb.Network([1, 5_000_000], seed=0, optimizer="sgd")
        X, t = np.zeros((1, 1), "f4"), np.zeros((1, 5_000_000), "f4")
        size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + 120 * 2**20,) * 2)
        try:
            net.evaluate(X, t)
        except MemoryError as error:
            print(error)
        else:
            raise SystemExit("there was enough memory")
        """
    )


def test_memory_of_other_batch_sizes_is_given_back() -> None:
    run_python_ok(
        """
        import numpy as np, swiftbackprop as sb
        def anonymous():
            with open("/proc/self/status") as status:
                return next(int(s.split()[1]) for s in status if s.startswith("RssAnon")) // 1024
        net = sb.Network([8, 1000, 1000, 1], seed=0)
        before = anonymous()
        net.forward(np.ones((20_000, 8), "f4"))
        for _ in range(10):
            net.forward(np.ones((32, 8), "f4"))
        assert anonymous() - before < 100, anonymous() - before
        """
    )


def test_input_and_layers_agree_after_fit() -> None:
    net = classifier()
    net.forward(X)
    net.fit(X, LABELS, epochs=1, progress=False)
    for m in (0, 1):
        with pytest.raises(RuntimeError, match="forward"):
            net.layer(m).a  # noqa: B018


def test_a_refused_fit_leaves_the_pass_alone() -> None:
    net = classifier()
    net.forward(X)
    with pytest.raises(ValueError, match="X"):
        net.fit(X * np.nan, LABELS, progress=False)
    assert np.isfinite(net.backward(LABELS))


def test_buffers_say_what_order_they_have() -> None:
    view = classifier().layers[0].W.base
    while isinstance(view, np.ndarray):
        view = view.base
    owner = view.obj if isinstance(view, memoryview) else view
    assert memoryview(owner).f_contiguous
    with pytest.raises((TypeError, ValueError, BufferError)):
        memoryview(owner).cast("B")
