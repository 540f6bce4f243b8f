"""fit: the numbers of the loop, shuffling, seeds, going on."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from fits import N, data, network, train
from helpers import DTYPES, OPTIMIZERS, assert_matches, quiet_network, refused, targets


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_fit_is_the_loop(name: str, dtype: str) -> None:
    """Batches of 16 of 50 rows: the last one, of two rows, is trained on as well."""
    X, y = data(dtype=dtype)
    options = {"l1": 1e-3, "l2": 1e-2, "clip_norm": 0.5}
    nets = [network(dtype, optimizer=getattr(sb, name)(**OPTIMIZERS[name]), **options)
            for _ in range(2)]  # fmt: skip
    history = train(nets[0], X, y, epochs=3, batch_size=16, shuffle=False)
    losses = []
    for _ in range(3):
        total = 0.0
        for first in range(0, N, 16):
            rows = slice(first, first + 16)
            nets[1].forward(X[rows])
            total += nets[1].backward(y[rows]) * len(y[rows])
            nets[1].step()
        losses.append(total / N)
    tolerance = 1e-12 if dtype == "float64" else 1e-5
    assert_matches(nets[0].parameters, nets[1].parameters, tolerance, name)
    assert_matches(history["loss"], losses, tolerance, "history")


@pytest.mark.parametrize(
    ("loss", "output", "outputs"),
    [
        ("squared_error", "identity", 1),
        ("squared_error", "softmax", 3),
        ("absolute_error", "tanh", 3),
        ("huber", "identity", 2),
        ("binary_cross_entropy", "sigmoid", 1),
        ("binary_cross_entropy", "sigmoid", 3),
        ("poisson", "exp", 1),
        ("cross_entropy", "sigmoid", 3),
    ],
)
def test_every_loss_and_kind_of_target(loss: str, output: str, outputs: int) -> None:
    rng = np.random.default_rng(1)
    X, t = data(dtype="float64")[0], targets(loss, N, outputs, rng)
    w = rng.uniform(0, 2, N)
    w[3] = 0
    nets = [
        quiet_network([6, 5, outputs], activation="gelu", output=output, loss=loss,
                      dtype="float64", seed=2)
        for _ in range(2)
    ]  # fmt: skip
    y = t[:, 0] if outputs == 1 else t
    w[20:40] = 0 if loss == "huber" else w[20:40]  # a minibatch of no weight makes no step
    history = train(nets[0], X, y, epochs=2, batch_size=20, shuffle=False, sample_weight=w)
    losses = []
    for _ in range(2):
        total = 0.0
        for first in (0, 20, 40):
            rows = slice(first, first + 20)
            nets[1].forward(X[rows])
            total += nets[1].backward(t[rows], sample_weight=w[rows]) * len(t[rows])
            nets[1].step()
        losses.append(total / N)  # docs/meaning.md: the row-weighted mean of the minibatches' C
    assert_matches(nets[0].parameters, nets[1].parameters, 1e-12, loss)
    assert_matches(history["loss"], losses, 1e-12, "history")


def as_is(X: np.ndarray) -> np.ndarray:
    return X


LAYOUTS = {
    "C": as_is,
    "Fortran": np.asfortranarray,
    "every second row": lambda X: np.repeat(X, 2, axis=0)[::2],
    "every second column": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "backwards": lambda X: X[::-1, ::-1].copy()[::-1, ::-1],
    "float64": lambda X: X.astype("float64"),
    "big-endian": lambda X: X.astype(">f4"),
    "float16": lambda X: X.astype("float16"),
    "list": lambda X: X.tolist(),
}


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_and_dtype_of_X_do_not_matter(layout: str, shuffle: bool) -> None:
    X, y = data()
    X = X.astype("float16").astype("float32")  # values that every type here holds
    nets = [network(), network()]
    for net, inputs in zip(nets, (X, LAYOUTS[layout](X)), strict=True):
        train(net, inputs, y, epochs=3, batch_size=16, shuffle=shuffle)
    assert_matches(nets[1].parameters, nets[0].parameters, 1e-6)


@pytest.mark.parametrize("kind", ["int64", "int8", "uint8", "bool", "uint32", "int16"])
def test_integer_inputs(kind: str) -> None:
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2 if kind == "bool" else 100, (N, 6)).astype(kind)
    nets = [network(), network()]
    for net, inputs in zip(nets, (X, X.astype("float32")), strict=True):
        train(net, inputs, data()[1], epochs=2, batch_size=16)
    np.testing.assert_array_equal(nets[0].parameters, nets[1].parameters)


@pytest.mark.parametrize("dtype", DTYPES)
def test_same_seed_same_bits(dtype: str) -> None:
    X, y = data(dtype=dtype)
    bits = set()
    for _ in range(3):
        net = network(dtype)
        history = train(net, X, y, epochs=4, batch_size=8)
        bits.add((net.parameters.tobytes(), tuple(history["loss"])))
    assert len(bits) == 1


def test_other_seed_other_bits_and_shuffling_matters() -> None:
    X, y = data()
    start = network().parameters.copy()
    results = []
    for seed, shuffle in ((0, True), (1, True), (0, False)):
        net = network(seed=seed)
        net.parameters[:] = start
        train(net, X, y, epochs=2, batch_size=8, shuffle=shuffle)
        results.append(net.parameters.tobytes())
    assert len(set(results)) == 3


def test_every_row_is_seen_once_an_epoch() -> None:
    """With a step that changes nothing, the epoch's loss is the loss of the whole set."""
    X, y = data(dtype="float64")
    net = network("float64", optimizer=sb.SGD(1e-300))
    wanted = net.evaluate(X, y)["loss"]
    for batch_size in (1, 7, 16, 50, 51, 10**9):
        for shuffle in (False, True):
            history = train(net, X, y, epochs=2, batch_size=batch_size, shuffle=shuffle)
            np.testing.assert_allclose(history["loss"], wanted, rtol=1e-12)


def test_the_last_short_batch_is_kept() -> None:
    """Two full batches and one row: the row has an effect of its own."""
    X, y = data(33, "float64")
    nets = [network("float64"), network("float64")]
    train(nets[0], X, y, epochs=1, batch_size=16, shuffle=False)
    train(nets[1], X[:32], y[:32], epochs=1, batch_size=16, shuffle=False)
    assert np.any(nets[0].parameters != nets[1].parameters)
    nets[1].forward(X[32:])
    nets[1].backward(y[32:])
    nets[1].step()
    assert_matches(nets[0].parameters, nets[1].parameters, 1e-12)


@pytest.mark.parametrize("shuffle", [False, True])
def test_fit_continues(shuffle: bool) -> None:
    """Weights, optimizer state and generator: 2 + 3 epochs are 5 epochs, to the bit."""
    X, y = data()
    whole, parts = network(), network()
    losses = list(train(whole, X, y, epochs=5, batch_size=8, shuffle=shuffle)["loss"])
    first = train(parts, X, y, epochs=2, batch_size=8, shuffle=shuffle)
    second = train(parts, X, y, epochs=3, batch_size=8, shuffle=shuffle)
    np.testing.assert_array_equal(whole.parameters, parts.parameters)
    assert [*first["loss"], *second["loss"]][-3:] == losses[-3:]


def test_steps_and_fit_share_the_optimizers_state() -> None:
    X, y = data(16, "float64")
    nets = [network("float64"), network("float64")]
    for net in nets:
        net.forward(X)
        net.backward(y)
        net.step()
    train(nets[0], X, y, epochs=1, batch_size=16, shuffle=False)
    nets[1].forward(X)
    nets[1].backward(y)
    nets[1].step()
    assert_matches(nets[0].parameters, nets[1].parameters, 1e-12)


def test_copy_is_independent_and_continues_alike() -> None:
    X, y = data()
    net = network()
    train(net, X, y, epochs=2, batch_size=8)
    twin = net.copy()
    assert not np.shares_memory(twin.parameters, net.parameters)
    np.testing.assert_array_equal(twin.parameters, net.parameters)
    kept = net.parameters.copy()
    train(twin, X, y, epochs=2, batch_size=8)
    np.testing.assert_array_equal(net.parameters, kept)
    train(net, X, y, epochs=2, batch_size=8)
    np.testing.assert_array_equal(net.parameters, twin.parameters)
    assert twin.seed == net.seed


def test_reset_starts_again() -> None:
    X, y = data()
    net = network(seed=4)
    train(net, X, y, epochs=2, batch_size=8)
    trained = net.parameters.copy()
    net.reset(4)
    np.testing.assert_array_equal(net.parameters, network(seed=4).parameters)
    train(net, X, y, epochs=2, batch_size=8)
    np.testing.assert_array_equal(net.parameters, trained)
    net.reset(5)
    assert net.seed == 5
    np.testing.assert_array_equal(net.parameters, network(seed=5).parameters)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_xor(name: str, dtype: str) -> None:
    X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype)
    y = np.array([0, 1, 1, 0])
    found = {}
    for rate in (0.03, 0.3, 1.0, 10.0):  # as optimizers differ in what is usual
        net = quiet_network(
            [2, 8, 1], activation="tanh", output="sigmoid", dtype=dtype, seed=1,
            optimizer=getattr(sb, name)(rate),
        )  # fmt: skip
        train(net, X, y, epochs=600, batch_size=4)
        found[rate] = net.evaluate(X, y)["loss"]
        if found[rate] < 0.2:
            assert net.predict_classes(X).tolist() == y.tolist()
            return
    raise AssertionError(f"it does not learn at any rate; the losses are {found}")


def test_it_learns_clusters() -> None:
    X, _ = data(400)
    centre = np.random.default_rng(5).normal(size=(3, 6)) * 2
    y = np.arange(400) % 3
    X = (X + centre[y]).astype("float32")
    net = network(optimizer=sb.Adam(0.01))
    train(net, X[:300], y[:300], epochs=30)
    assert net.evaluate(X[300:], y[300:])["accuracy"] > 0.9


def test_callbacks_that_would_not_be_called_say_so() -> None:
    class Keras:
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None: ...

    class Batches(sb.Callback):
        def on_train_batch_end(self, batch: int, logs: Any) -> None: ...

    def fit(*callbacks: Any) -> Any:
        net = sb.Network([2, 1], seed=0)
        return net.fit(np.ones((4, 2)), np.ones(4), callbacks=callbacks, progress=False)

    for callback, words in (
        (Keras(), r"^Keras\.on_epoch_end takes \(epoch: .*is called with \(net, epoch, logs\)$"),
        (lambda epoch, logs: None, r"lambda.* takes \(epoch, logs\), and is called with \(net, e"),
        (sb.schedules.Step(3), r"a schedule is no callback: write LearningRateScheduler\(Step\("),
        (sb.schedules.ReduceOnPlateau(), r"write LearningRateScheduler\(ReduceOnPlateau\("),
    ):
        refused(lambda callback=callback: fit(callback), TypeError, words)  # type: ignore[misc]
    refused(
        lambda: sb.LearningRateScheduler(lambda epoch: 0.1),  # type: ignore[arg-type, misc]
        TypeError, r"f\(epoch, lr\) that returns the rate, got one of \(epoch\)",
    )  # fmt: skip
    with pytest.warns(UserWarning, match=r"Batches\.on_train_batch_end is never .*'on_batch_end'"):
        fit(Batches())
    with pytest.warns(UserWarning, match=r"is never called: did you mean 'on_epoch_end'"):
        fit(type("Typo", (sb.Callback,), {"on_epoch_ends": print})())


@pytest.mark.parametrize("answer", [1, "stop", NotImplemented, np.array([1, 2]), np.array(True)])
def test_callbacks_answer_true_or_nothing(answer: Any) -> None:
    """What a function happens to return must not end the training in silence."""

    class Counts:
        def on_batch_end(self, net: Any, batch: int, logs: Any) -> Any:
            return answer

    def counts(net: Any, epoch: int, logs: Any) -> Any:
        return answer

    for callback, name in ((counts, "the callback <function"), (Counts(), "Counts.on_batch_end")):
        net = sb.Network([2, 1], seed=0)
        with pytest.raises(TypeError, match=rf"{name}.* must return True to end the training"):
            net.fit(np.ones((4, 2)), np.ones(4), epochs=3, callbacks=[callback], progress=False)
        assert np.isfinite(net.parameters).all()


@pytest.mark.parametrize("dtype", [bool, np.bool_])
def test_callbacks_answer_with_either_kind_of_bool(dtype: Any) -> None:
    net = sb.Network([2, 1], seed=0)
    ends = [lambda net, epoch, logs: dtype(epoch == 1)]
    net.fit(np.ones((4, 2)), np.ones(4), epochs=5, callbacks=ends, progress=False)
    assert net.history.epochs == 2


def test_rows_without_any_weight_train_nothing() -> None:
    net = sb.Network([2, 1], seed=0)
    with pytest.raises(ValueError, match=r"^sample_weight is 0 in every row"):
        net.fit(np.ones((4, 2)), np.ones(4), sample_weight=np.zeros(4), progress=False)


def test_callbacks_show_their_settings() -> None:
    class Mine(sb.Callback):
        def __init__(self, limit: float = 1.0) -> None:
            self.limit = limit

    shown = {
        "EarlyStopping(monitor='val_loss', patience=3)": sb.EarlyStopping("val_loss", patience=3),
        "Checkpoint(path='net.st', every=2)": sb.Checkpoint("net.st", every=2),
        "CSVLogger(path='log.csv')": sb.CSVLogger("log.csv"),
        "Mine(limit=2.0)": Mine(2.0),
        "Mine()": Mine(),
    }
    assert [repr(callback) for callback in shown.values()] == list(shown)


@pytest.mark.parametrize(("rows", "batch_size"), [(100, 10), (47, 10), (12, 12), (9, 100), (5, 1)])
def test_even_minibatches_have_a_row_of_every_part(rows: int, batch_size: int) -> None:
    seen: list[list[int]] = []

    def grad(a: np.ndarray, t: np.ndarray) -> np.ndarray:
        seen.append(t[:, 0].astype(int).tolist())
        return a - t

    loss = sb.CustomLoss(lambda a, t: ((a - t) ** 2).sum(1) / 2, grad)
    net = sb.Network([1, 1], output="identity", loss=loss, optimizer=sb.SGD(0.0), seed=3)
    places = np.arange(rows, dtype=np.float64)[:, None]
    net.fit(places, places, epochs=2, batch_size=batch_size, shuffle="even", progress=False)
    size, each = min(batch_size, rows), -(-rows // batch_size)
    for epoch in (seen[:each], seen[each:]):
        assert sorted(itertools.chain(*epoch)) == list(range(rows))
        for batch in epoch[: rows // size]:
            assert sorted(((row + 1) * size - 1) // rows for row in batch) == list(range(size))
    assert rows == size or seen[:each] != seen[each:]


@pytest.mark.parametrize("name", ["shuffle", "stratify", "progress"])
def test_switches_are_true_or_false(name: str) -> None:
    net, X, y = sb.Network([2, 1], seed=0), np.ones((4, 2)), np.ones(4)
    with pytest.raises(ValueError, match=r"^shuffle must be True, False or .even., got 'batch'"):
        net.fit(X, y, shuffle="batch", progress=False)
    for wrong in (y, None, 2):
        keywords: Any = {"progress": False, name: wrong}
        refused(lambda kw=keywords: net.fit(X, y, **kw), TypeError, f"^{name} must be True or F")
    net.fit(X, y, **({"progress": False, "validation_split": 0.5} | {name: 0}))  # type: ignore[arg-type]
    refused(lambda: net.to_onnx("m.onnx", X), TypeError, "^logits must be True or False, got")  # type: ignore[arg-type]
