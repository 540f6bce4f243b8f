"""Learning-rate schedules, the stock callbacks, class weights and metrics."""

from __future__ import annotations

import csv
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import assert_matches, refused
from swiftbackprop import metrics, schedules


def data(rows: int = 48) -> tuple[np.ndarray, np.ndarray]:
    X = np.random.default_rng(0).normal(size=(rows, 4))
    return X, np.argmax(X[:, :3], axis=1)


def network(lr: float = 0.1, **keywords: Any) -> Any:
    options: dict[str, Any] = {"loss": "cross_entropy", "dtype": "float64", "seed": 0}
    return sb.Network([4, 8, 3], optimizer=sb.SGD(lr), **(options | keywords))


def train(net: Any, callbacks: list[Any], **keywords: Any) -> sb.History:
    X, y = data()
    options: dict[str, Any] = {"epochs": 6, "batch_size": 16, "progress": False}
    history: sb.History = net.fit(X, y, callbacks=callbacks, **(options | keywords))
    return history


# --- The formulas -------------------------------------------------------------------------


def test_warm_up_and_inverse_scaling() -> None:
    cosine = schedules.Cosine(10, warmup=2, least=0.2, start=0.0)
    assert_matches(cosine([0, 1, 2, 6, 10, 50]), [0, 0.5, 1, 0.6, 0.2, 0.2], 1e-12)
    assert_matches(schedules.InverseScaling(2.0)([0, 1, 3]), [1, 1 / 4, 1 / 16], 1e-12)
    assert schedules.Constant(0.5)(7) == 0.5


@pytest.mark.parametrize(
    "make",
    [
        lambda: schedules.Step(0),
        lambda: schedules.Step(2, gamma=0),
        lambda: schedules.Exponential(1.5),
        lambda: schedules.Cosine(-1),
        lambda: schedules.Cosine(5, warmup=5),
        lambda: schedules.Cosine(5, least=2),
        lambda: schedules.InverseScaling(0),
        lambda: schedules.OneCycle(3, rise=1.0),
        lambda: schedules.OneCycle(0),
        lambda: schedules.Constant(float("inf")),
        lambda: schedules.ReduceOnPlateau(factor=2.0),
        lambda: schedules.ReduceOnPlateau(patience=-1),
        lambda: schedules.ReduceOnPlateau(mode="less"),
        lambda: schedules.ReduceOnPlateau(min_delta=-1.0),
        lambda: schedules.ReduceOnPlateau(cooldown=-2),
    ],
)
def test_wrong_numbers(make: Any) -> None:
    refused(make, ValueError, "must be .*, got")


@pytest.mark.parametrize(
    "make",
    [
        lambda: schedules.ReduceOnPlateau(min_lr="1"),
        lambda: schedules.Cosine(10, warmup="2"),
        lambda: schedules.Cosine(10, least=None),
        lambda: schedules.OneCycle(10, rise="0.3"),
        lambda: sb.EarlyStopping(patience=2.5),
    ],
)
def test_wrong_types(make: Any) -> None:
    refused(make, TypeError, "must be .*, got")


# --- The scheduler ------------------------------------------------------------------------


def test_rates_by_epoch() -> None:
    net = network()
    scheduler = sb.LearningRateScheduler(schedules.Exponential(0.5))
    history = train(net, [scheduler], epochs=3)
    assert history["lr"] == [0.1, 0.05, 0.025]
    assert list(history)[-2:] == ["lr", "seconds"]
    assert net.optimizer.lr == 0.1, "the rate it began with is back"
    twin = network()
    for lr in (0.1, 0.05, 0.025):
        twin.optimizer.lr = lr
        train(twin, [], epochs=1)
    assert np.array_equal(net.parameters, twin.parameters)


@pytest.mark.parametrize("recipe", [sb.SGD(0.1), sb.Momentum(0.1), sb.Adam(0.1)])
def test_rates_by_batch(recipe: Any) -> None:
    X, y = data()
    net = sb.Network([4, 8, 3], optimizer=recipe, loss="cross_entropy", dtype="float64", seed=0)
    twin = net.copy()
    cycle = schedules.OneCycle(3)
    history = train(net, [sb.LearningRateScheduler(cycle)], epochs=3, shuffle=False)
    for update in range(9):
        twin.optimizer.lr = 0.1 * cycle(update / 3)
        rows = slice(16 * (update % 3), 16 * (update % 3) + 16)
        twin.forward(X[rows])
        twin.backward(y[rows])
        twin.step()
    assert_matches(net.parameters, twin.parameters, 1e-12)
    assert_matches(history["lr"], 0.1 * cycle(np.array([2, 5, 8]) / 3), 1e-12)
    assert net.optimizer.lr == 0.1


def test_a_schedule_may_be_followed_by_batch() -> None:
    fast = sb.LearningRateScheduler(schedules.Exponential(0.5), per_batch=True)
    history = train(network(), [fast], epochs=2)
    assert_matches(history["lr"], [0.1 * 0.5 ** (2 / 3), 0.1 * 0.5 ** (5 / 3)], 1e-12)


def test_a_function_of_epoch_and_rate() -> None:
    net = network()
    history = train(net, [sb.LearningRateScheduler(lambda epoch, lr: lr / (epoch + 1))], epochs=3)
    assert_matches(history["lr"], [0.1, 0.05, 0.05 / 3], 1e-12)
    assert net.optimizer.lr == history["lr"][-1]
    for bad in ("cosine", schedules.Step, 0.1):
        refused(lambda bad=bad: sb.LearningRateScheduler(bad), TypeError, "schedule")
    refused(lambda: sb.LearningRateScheduler(lambda e, lr: lr, per_batch=True), ValueError, "time")
    refused(
        lambda: sb.LearningRateScheduler(lambda e, lr: lr, start="2"),  # type: ignore[arg-type]
        TypeError, "start must be an int",
    )  # fmt: skip


@pytest.mark.parametrize("schedule", [schedules.Cosine(6, warmup=2), schedules.OneCycle(6)])
def test_a_schedule_goes_on_where_it_was(schedule: Any) -> None:
    whole, parts = network(), network()
    rates = train(whole, [sb.LearningRateScheduler(schedule)], epochs=6)["lr"]
    first = train(parts, [sb.LearningRateScheduler(schedule)], epochs=4)["lr"]
    parts.optimizer.lr = 7.0  # as in a file of the middle of training
    rest = train(parts, [sb.LearningRateScheduler(schedule, start=4, lr=0.1)], epochs=2)["lr"]
    assert first + rest == rates
    assert np.array_equal(whole.parameters, parts.parameters)
    assert parts.optimizer.lr == 0.1
    seen: list[int] = []
    by_hand = sb.LearningRateScheduler(lambda epoch, lr: seen.append(epoch) or lr, start=4)
    train(parts, [by_hand], epochs=2)
    assert seen == [4, 5]


def test_what_a_scheduler_refuses_to_go_on_with() -> None:
    plateau, cosine = schedules.ReduceOnPlateau(), schedules.Cosine(6)
    make = sb.LearningRateScheduler
    refused(lambda: make(plateau, start=1), ValueError, "start needs")
    refused(lambda: make(plateau, lr=0.1), ValueError, "net.optimizer.lr")
    refused(lambda: make(cosine, start=-1), ValueError, "start must be an int >= 0, got -1")
    refused(lambda: make(cosine, start=0.5), TypeError, "start must be an int")
    for lr in (-1.0, float("nan"), float("inf")):
        refused(lambda lr=lr: make(cosine, lr=lr), ValueError, "lr must be a finite number >= 0")


def test_a_bad_rate_is_an_error_and_the_weights_stay() -> None:
    class Bad(schedules.Schedule):
        per_batch = True

        def factor(self, t: np.ndarray) -> np.ndarray:
            return np.where(t > 0.5, np.nan, 1.0)

    net = network()
    refused(lambda: train(net, [sb.LearningRateScheduler(Bad())]), (ValueError, ArithmeticError))
    assert np.all(np.isfinite(net.parameters))
    assert net.optimizer.lr == 0.1


class Replay:
    """What a monitored quantity should be; changes the logs before the others see them."""

    def __init__(self, callback: Any, values: list[float], name: str = "loss") -> None:
        self.callback, self.values, self.name = callback, values, name
        self.rates: list[float] = []

    def on_train_begin(self, net: Any) -> None:
        self.callback.on_train_begin(net)

    def on_epoch_end(self, net: Any, epoch: int, logs: dict[str, float]) -> Any:
        answer = self.callback.on_epoch_end(net, epoch, logs | {self.name: self.values[epoch]})
        self.rates.append(net.optimizer.lr)
        return answer

    def on_train_end(self, net: Any) -> None:
        self.callback.on_train_end(net)


def test_reduce_on_plateau() -> None:
    plan = schedules.ReduceOnPlateau(factor=0.5, patience=1, cooldown=2, min_lr=0.02)
    values = [1.0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]
    replay = Replay(sb.LearningRateScheduler(plan), values)
    net = network()
    train(net, [replay], epochs=len(values))
    drops = [i for i in range(1, 14) if replay.rates[i] < replay.rates[i - 1]]
    assert drops == [3, 7, 11]
    assert_matches([replay.rates[i] for i in drops], [0.05, 0.025, 0.02], 1e-12)
    assert net.optimizer.lr == 0.02, "it stays"


# --- Early stopping ------------------------------------------------------------------------


def test_early_stopping_and_the_best_weights() -> None:
    stop = sb.EarlyStopping(patience=2, min_delta=0.05)
    values = [1.0, 0.8, 0.78, 0.79, 0.77, 0.1]
    net, seen = network(), []
    keep = lambda net, epoch, logs: seen.append(net.parameters.copy())  # noqa: E731
    history = train(net, [keep, Replay(stop, values)])
    assert history.epochs == 5
    assert history.stop_reason == "stopped"
    assert stop.best_epoch == 1
    assert stop.best == 0.8
    assert np.array_equal(net.parameters, seen[1])
    other = network()
    train(other, [Replay(sb.EarlyStopping(patience=2, min_delta=0.05, restore_best_weights=False),
                         values)])  # fmt: skip
    assert np.array_equal(other.parameters, seen[4])


def test_larger_may_be_better() -> None:
    values = [0.5, 0.6, 0.7, 0.65, 0.6, 0.5]
    for name, mode in (("val_accuracy", None), ("val_r2", None), ("x", "max")):
        stop = sb.EarlyStopping(name, patience=1, mode=mode)
        train(network(), [Replay(stop, values, name)])
        assert stop.best == 0.7
    stop = sb.EarlyStopping("val_accuracy", patience=0, mode="min")
    assert train(network(), [Replay(stop, values, "val_accuracy")]).epochs == 2


def test_early_stopping_on_validation() -> None:
    X, y = data()
    stop = sb.EarlyStopping(patience=3)
    net = network(2.0)
    history = train(net, [stop], epochs=200, validation_data=(X[:20], (y[:20] + 1) % 3))
    assert history.stop_reason == "stopped"
    best = int(np.argmin(history["val_loss"]))
    assert stop.best_epoch == best == history.epochs - 5
    assert net.evaluate(X[:20], (y[:20] + 1) % 3)["loss"] == pytest.approx(
        history["val_loss"][best]
    )


def test_a_quantity_that_is_not_there() -> None:
    refused(lambda: train(network(), [sb.EarlyStopping("val_auc")]), ValueError, "val_auc", "loss")
    refused(lambda: sb.EarlyStopping(patience=-1), ValueError, "patience")
    refused(lambda: sb.EarlyStopping(3), TypeError, "monitor")


def test_early_stopping_of_nan_never_counts_as_best() -> None:
    stop = sb.EarlyStopping(patience=1)
    train(network(), [Replay(stop, [math.nan, 0.5, math.nan, math.nan, 0.1, 0.1])])
    assert stop.best == 0.5


# --- Batches, CSV ---------------------------------------------------------------------------


def test_on_batch_end_sees_every_update_and_its_gradients() -> None:
    class BestValue(sb.Callback):
        def __init__(self) -> None:
            self.seen: list[Any] = []

        def on_epoch_begin(self, net: sb.Network, epoch: int) -> None:
            self.seen.append(f"epoch {epoch}")

        def on_batch_end(self, net: sb.Network, batch: int, logs: Any) -> None:
            self.seen.append((batch, logs["loss"], net.parameters.copy(), net.gradients.copy()))

    X, y = data()
    watch, net, twin = BestValue(), network(), network()
    history = train(net, [watch], epochs=2, shuffle=False, validation_data=(X, y))
    updates = [item for item in watch.seen if not isinstance(item, str)]
    assert [i for i, item in enumerate(watch.seen) if isinstance(item, str)] == [0, 4]
    assert [item[0] for item in updates] == [0, 1, 2, 0, 1, 2]
    total = 0.0
    for k, (_, loss, parameters, gradients) in enumerate(updates):
        rows = slice(16 * (k % 3), 16 * (k % 3) + 16)
        twin.forward(X[rows])
        total = (total if k % 3 else 0.0) + twin.backward(y[rows])
        twin.step()
        assert_matches(parameters, twin.parameters, 1e-12)
        assert_matches(gradients, twin.gradients, 1e-11)
        assert loss == pytest.approx(total / (k % 3 + 1), rel=1e-12)
    assert updates[2][1] == pytest.approx(history["loss"][0])


def test_a_batch_can_end_the_training() -> None:
    class Stop:
        def on_batch_end(self, net: Any, batch: int, logs: Any) -> bool:
            return batch == 1

    net = network()
    history = train(net, [Stop()])
    assert (history.stop_reason, history.epochs, net.step_count) == ("stopped", 0, 2)


def test_csv_logger(tmp_path: Path) -> None:
    path, net = tmp_path / "log.csv", network()
    history = train(net, [sb.CSVLogger(path)], epochs=3)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    for name in history:
        assert [float(row[name]) for row in rows] == history[name]
    train(net, [sb.CSVLogger(path, append=True)], epochs=2)
    assert len(path.read_text().splitlines()) == 6
    X, y = data()
    refused(
        lambda: train(net, [sb.CSVLogger(path, append=True)], validation_data=(X, y)),
        ValueError, "columns",
    )  # fmt: skip
    train(net, [sb.CSVLogger(path)], epochs=1)
    assert len(path.read_text().splitlines()) == 2


# --- Class weights -----------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["numbers", "one-hot"])
def test_class_weights_multiply_those_of_the_rows(form: str) -> None:
    X, y = data()
    table, w = np.array([1.0, 3.0, 0.5]), np.random.default_rng(1).uniform(0.5, 2, len(X))
    targets = y if form == "numbers" else np.eye(3)[y]
    net, twin = network(), network()
    options: dict[str, Any] = {"epochs": 3, "progress": False}
    history = net.fit(
        X, targets, sample_weight=w, class_weight={1: 3.0, 2: 0.5},
        validation_data=(X, targets, w), **options,
    )  # fmt: skip
    wanted = twin.fit(
        X, y, sample_weight=w * table[y], validation_data=(X, y, w * table[y]), **options
    )
    assert_matches(net.parameters, twin.parameters, 1e-12)
    assert_matches(history["val_loss"], wanted["val_loss"], 1e-12)


def test_balanced_is_scikit_learns() -> None:
    sklearn = pytest.importorskip("sklearn.utils.class_weight")
    X, y = data()
    y = np.where(y == 2, 0, y)
    w = sklearn.compute_sample_weight("balanced", y)
    net, twin = network(), network()
    net.fit(X, y, class_weight="balanced", epochs=2, progress=False)
    twin.fit(X, y, sample_weight=w, epochs=2, progress=False)
    assert_matches(net.parameters, twin.parameters, 1e-12)


def test_class_weights_of_two_classes_and_one_output() -> None:
    X, y = data()
    y = (y > 0).astype(float)
    nets = [
        sb.Network([4, 1], loss="binary_cross_entropy", dtype="float64", seed=0) for _ in range(2)
    ]
    nets[0].fit(X, y[:, None], class_weight={0: 2, 1: 0.5}, epochs=2, progress=False)
    nets[1].fit(X, y, sample_weight=np.where(y > 0, 0.5, 2), epochs=2, progress=False)
    assert_matches(nets[0].parameters, nets[1].parameters, 1e-12)


def test_wrong_class_weights() -> None:
    X, y = data()

    def fit(weights: Any, target: Any = y, net: Any = None) -> Any:
        return lambda: (net or network()).fit(X, target, class_weight=weights, progress=False)

    refused(fit({3: 1.0}), ValueError, "class_weight", r"0\.\.2")
    refused(fit({0: -1.0}), ValueError, r"class_weight\[0\]")
    refused(fit({0: "x"}), TypeError, "class_weight")
    refused(fit("even"), ValueError, "balanced")
    refused(fit([1, 2, 3]), TypeError, "dict")
    refused(fit({0: 1.0}, np.full((48, 3), 1 / 3)), ValueError, "sample_weight")
    refused(fit("balanced", net=sb.Network([4, 3])), ValueError, "squared_error")


# --- Metrics -------------------------------------------------------------------------------------


def test_metrics_beside_scikit_learn() -> None:
    sk = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    y, w = rng.integers(0, 4, 60), rng.uniform(0, 2, 60)
    a = rng.dirichlet(np.ones(4), 60)
    t, values = rng.normal(size=(60, 2)), rng.normal(size=(60, 2))
    for weight in (None, w):
        kw = {"sample_weight": weight}
        pairs = [
            (metrics.accuracy(y, a, weight), sk.accuracy_score(y, a.argmax(1), **kw)),
            (metrics.top_k(2)(y, a, weight), sk.top_k_accuracy_score(y, a, k=2, **kw)),
            (metrics.mse(t, values, weight), sk.mean_squared_error(t, values, **kw)),
            (metrics.mae(t, values, weight), sk.mean_absolute_error(t, values, **kw)),
            (metrics.rmse(t, values, weight), sk.mean_squared_error(t, values, **kw) ** 0.5),
            (metrics.r2(t, values, weight), sk.r2_score(t, values, **kw)),
            (metrics.auc(y, a, weight), sk.roc_auc_score(y, a, multi_class="ovr", **kw)),
            (metrics.auc(y > 1, a[:, 0], weight), sk.roc_auc_score(y > 1, a[:, 0], **kw)),
            (metrics.auc((y > 1).astype(int), a[:, :2], weight),
             sk.roc_auc_score(y > 1, a[:, 1], **kw)),
        ]  # fmt: skip
        for ours, theirs in pairs:
            assert ours == pytest.approx(theirs, rel=1e-12)


def test_evaluate_and_fit_take_metrics() -> None:
    pytest.importorskip("sklearn")
    X, y = data()

    def worst(t: np.ndarray, a: np.ndarray) -> float:
        return float(np.min(a[np.arange(len(t)), t]))

    net = network()
    asked = ["auc", "top_2", "accuracy", worst]
    history = train(net, [], validation_data=(X, y), metrics=asked, epochs=3)
    result = net.evaluate(X, y, metrics=asked)
    assert list(result) == ["loss", "accuracy", "auc", "top_2", "worst"]
    for name in ("auc", "top_2", "worst", "accuracy"):
        assert history[f"val_{name}"][-1] == pytest.approx(result[name])
        assert len(history[f"val_{name}"]) == 3
    stop = sb.EarlyStopping("val_auc", patience=1)
    train(net, [stop], validation_data=(X, y), metrics=["auc"])
    assert 0.5 < stop.best <= 1
    regressor = sb.Network([4, 1], dtype="float64", seed=0)
    result = regressor.evaluate(X, X[:, 0], metrics=["rmse", "mae", "r2", "mse"])
    assert result["rmse"] == pytest.approx(result["mse"] ** 0.5)


def test_the_engines_metrics_are_these() -> None:
    X, _ = data()
    net = sb.Network([4, 2], dtype="float64", seed=0)
    t, w = X[:, :2] * 2, np.random.default_rng(3).uniform(0, 1, len(X))
    ours = net.evaluate(X, t, sample_weight=w)
    a = net.predict(X)
    for name in ("mse", "mae", "r2"):
        assert getattr(metrics, name)(t, a, w) == pytest.approx(ours[name], rel=1e-12)


def test_wrong_metrics() -> None:
    X, y = data()
    refused(lambda: network().evaluate(X, y, metrics=["acuracy"]), ValueError, "accuracy")
    refused(lambda: network().evaluate(X, y, metrics="auc"), TypeError, "list")
    refused(lambda: network().evaluate(X, y, metrics=[3]), TypeError, "function")
    refused(lambda: train(network(), [], metrics=["auc"]), ValueError, "validation_data")
    refused(lambda: metrics.top_k(0), ValueError, "k must be an int >= 1")


def test_names_of_metrics_are_their_own() -> None:
    X, y = data()
    one, two = (lambda t, a: 1.0), (lambda t, a: 2.0)
    net = network()
    refused(lambda: net.evaluate(X, y, metrics=[one, two]), ValueError, "lambda", "two metrics")

    def loss(t: np.ndarray, a: np.ndarray) -> float:
        return 0.0

    refused(lambda: net.evaluate(X, y, metrics=[loss]), ValueError, "'loss'", "name of its own")
    refused(lambda: net.evaluate(X, y, metrics="auc"), TypeError, "list")
    refused(lambda: net.evaluate(X, y, metrics=["acuracy"]), ValueError, "accuracy")
    refused(lambda: net.fit(X, y, metrics=["auc"]), ValueError, "validation_data")


def test_auc_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.metrics", None)
    refused(lambda: metrics.auc([0, 1], [0.1, 0.9]), ImportError, "pip install scikit-learn")


def test_early_stopping_on_metrics_of_ones_own() -> None:
    X, y = data()

    def margin(t: np.ndarray, a: np.ndarray) -> float:
        return float(np.mean(a[np.arange(len(t)), t]))

    for asked, name, mode in (("top_2", "val_top_2", None), (margin, "val_margin", "max")):
        stop = sb.EarlyStopping(name, patience=2, mode=mode)
        net = network(1.0)
        valid = X[:20], (y[:20] + 1) % 3
        history = train(net, [stop], epochs=80, validation_data=valid, metrics=[asked])
        assert history.stop_reason == "stopped"
        assert stop.best_epoch == int(np.argmax(history[name])) == history.epochs - 4
        short_name = name.removeprefix("val_")
        assert net.evaluate(*valid, metrics=[asked])[short_name] == pytest.approx(stop.best)


def test_mistakes_around_metrics_and_callbacks() -> None:
    X, y = data()
    net = network()
    refused(lambda: net.evaluate(X, y, metrics=["top_3"]), ValueError, "more than 3 classes")
    refused(lambda: net.evaluate(X, 0 * y, metrics=["auc"]), ValueError, "class 0 is alone")
    refused(lambda: metrics.auc([1, 1], [0.1, 0.9]), ValueError, "a class is alone")

    def nothing(t: np.ndarray, a: np.ndarray) -> Any:
        return None

    refused(lambda: net.evaluate(X, y, metrics=[nothing]), TypeError, "nothing", "None")
    refused(lambda: train(net, [sb.EarlyStopping]), TypeError, r"write EarlyStopping\(\.\.\.\)")
    abstract = sb.LearningRateScheduler(schedules.Schedule())
    refused(lambda: train(net, [abstract]), NotImplementedError, "factor")
    refused(lambda: sb.LearningRateScheduler(0.1), TypeError, "schedule")
    assert net.step_count == 0
