"""Dropout, schedules and every kind of callback in the estimators, on all of their ways."""

from __future__ import annotations

import csv
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6")

from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import scale

import swiftbackprop as sb
from helpers import assert_matches, refused
from short_fits import IRIS, short
from swiftbackprop.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, y = scale(IRIS[0]), IRIS[1]
FORMS: dict[str, Callable[[Any], Any]] = {"dense": np.asarray, "sparse": sparse.csr_array}


class Log(sb.Callback):
    """What happened, in order."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.losses: list[float] = []

    def on_train_begin(self, net: sb.Network) -> None:
        self.seen.append("begin")

    def on_epoch_begin(self, net: sb.Network, epoch: int) -> None:
        self.seen.append(f"epoch {epoch}")

    def on_batch_end(self, net: sb.Network, batch: int, logs: Any) -> None:
        self.seen.append(f"batch {batch}")
        self.losses.append(logs["loss"])

    def on_epoch_end(self, net: sb.Network, epoch: int, logs: Any) -> None:
        self.seen.append(f"end {epoch}")

    def on_train_end(self, net: sb.Network) -> None:
        self.seen.append("end")


# --- Dropout ---------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_dropout(kind: Any, form: str) -> None:
    data = FORMS[form](X)
    plain, model, again = (short(kind, dropout=p).fit(data, y) for p in (0.0, 0.5, 0.5))
    assert model.network_.dropout == (0.5, 0.0)
    assert not np.array_equal(plain.coefs_[0], model.coefs_[0])
    assert np.array_equal(again.coefs_[0], model.coefs_[0])
    assert np.array_equal(model.predict(data), model.predict(data)), "predict drops nothing"


def test_dropout_is_that_of_a_network() -> None:
    model = short(hidden_layer_sizes=(8, 6), dropout=[0.25, 0.5], alpha=0.0).fit(X, y)
    assert model.network_.dropout == (0.25, 0.5, 0.0)
    start = short(hidden_layer_sizes=(8, 6), dropout=[0.25, 0.5], alpha=0.0, max_iter=1)
    twin = start.fit(X, y).network_.copy()
    twin.fit(X, y, epochs=3, batch_size=32, progress=False)
    assert np.array_equal(model.network_.parameters, twin.parameters)


def test_dropout_is_a_parameter_as_any() -> None:
    model = short(dropout=0.3)
    assert clone(model).get_params()["dropout"] == 0.3
    model.set_params(dropout=[0.1]).fit(X, y)
    assert model.network_.dropout == (0.1, 0.0)
    search = GridSearchCV(short(), {"dropout": [0.0, 0.2]}, cv=2).fit(X, y)
    assert search.best_params_["dropout"] in (0.0, 0.2)
    with pytest.raises(TypeError):
        MLPClassifier((8,), "relu", 0.5)  # type: ignore[misc]
    assert short(hidden_layer_sizes=(), dropout=0.5).fit(X, y).network_.dropout == (0.0,)


def test_a_pickle_goes_on_with_the_same_masks() -> None:
    model = short(dropout=0.4).fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    assert again.network_.dropout == (0.4, 0.0)
    for each in (model, again):
        each.partial_fit(X, y)
    assert np.array_equal(model.network_.parameters, again.network_.parameters)
    model.set_params(warm_start=True, dropout=0.0).fit(X, y)
    assert model.network_.dropout == (0.0, 0.0)


def test_wrong_dropout() -> None:
    refused(lambda: short(dropout=1.0).fit(X, y), ValueError, r"\[0, 1\)")
    refused(lambda: short(dropout="0.5").fit(X, y), TypeError, "number")
    refused(
        lambda: short(dropout=[0.1, 0.2, 0.3]).fit(X, y),
        ValueError,
        "dropout: expected 2 numbers.* got 3",
    )
    for value in (0.5, [0.2]):
        lbfgs = short(solver="lbfgs", dropout=value)
        refused(lambda model=lbfgs: model.fit(X, y), ValueError, "lbfgs", "dropout", "adam")
    assert short(solver="lbfgs", dropout=[0.0]).fit(X, y).score(X, y) > 0.5


# --- Sparse rows are the dense ones ---------------------------------------------------------


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_sparse_rows_take_the_same_order(solver: str, kind: Any) -> None:
    """Also where rows are shuffled: the engine draws the order in both cases."""
    w = np.random.default_rng(0).uniform(0.5, 2, len(X))
    options: dict[str, Any] = {"solver": solver, "validation_data": (X[:40], y[:40], w[:40])}
    dense = short(kind, **options).fit(X, y, sample_weight=w)
    options["validation_data"] = (sparse.csr_array(X[:40]), y[:40], w[:40])
    thin = short(kind, **options).fit(sparse.csr_array(X), y, sample_weight=w)
    assert_matches(thin.network_.parameters, dense.network_.parameters, 1e-13)
    for name in ("loss_curve_", "validation_scores_", "validation_loss_curve_"):
        assert_matches(getattr(thin, name), getattr(dense, name), 1e-12, name)
    history, wanted = thin.network_.history, dense.network_.history
    assert list(history) == list(wanted)
    for name in set(history) - {"seconds"}:
        assert_matches(history[name], wanted[name], 1e-12, name)


# --- Callbacks --------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_callbacks_hear_of_everything(form: str) -> None:
    log = Log()
    model = short(callbacks=[log], max_iter=2).fit(FORMS[form](X), y)
    batches = [f"batch {i}" for i in range(5)]
    assert log.seen == [
        "begin", "epoch 0", *batches, "end 0", "epoch 1", *batches, "end 1", "end",
    ]  # fmt: skip
    assert log.losses[4] == pytest.approx(model.network_.history["loss"][0])


def test_callbacks_of_lbfgs_hear_of_iterations() -> None:
    log = Log()
    model = short(solver="lbfgs", callbacks=[log], max_iter=3).fit(X, y)
    assert model.n_iter_ == 3
    assert log.seen == [
        "begin", "epoch 0", "end 0", "epoch 1", "end 1", "epoch 2", "end 2", "end",
    ]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_a_callback_may_stop_the_network(solver: str, form: str) -> None:
    def stop(net: sb.Network, epoch: int, logs: Any) -> None:
        if epoch == 1:
            net.stop()

    model = short(solver=solver, callbacks=[stop], max_iter=50).fit(FORMS[form](X), y)
    assert model.n_iter_ == 2
    assert model.fit(FORMS[form](X), y).n_iter_ == 2, "and it can be fitted again"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_early_stopping_brings_the_best_weights_back(solver: str, form: str) -> None:
    stop = sb.EarlyStopping("val_accuracy", patience=2)
    wrong = (y[::3] + 1) % 3
    data = FORMS[form](X)
    model = short(
        solver=solver, callbacks=[stop], max_iter=60, learning_rate_init=0.01,
        validation_data=(FORMS[form](X[::3]), wrong),
    ).fit(data, y)  # fmt: skip
    assert model.n_iter_ == stop.best_epoch + 4
    assert stop.best == max(model.validation_scores_)
    assert np.mean(model.predict(data)[::3] == wrong) == pytest.approx(stop.best)


@pytest.mark.parametrize("form", FORMS)
def test_schedules(form: str, tmp_path: Path) -> None:
    optimizer = sb.SGD(0.1)
    steps = sb.LearningRateScheduler(sb.schedules.Step(1, gamma=0.5))
    log = sb.CSVLogger(tmp_path / "log.csv")
    model = short(optimizer=optimizer, callbacks=[steps, log], max_iter=3).fit(FORMS[form](X), y)
    assert model.network_.history["lr"] == [0.1, 0.05, 0.025]
    with (tmp_path / "log.csv").open(newline="") as file:
        assert [float(row["lr"]) for row in csv.DictReader(file)] == [0.1, 0.05, 0.025]
    cycle = sb.LearningRateScheduler(sb.schedules.OneCycle(3))
    model = short(optimizer=optimizer, callbacks=[cycle], max_iter=3).fit(FORMS[form](X), y)
    wanted = 0.1 * sb.schedules.OneCycle(3)(np.arange(3) + 4 / 5)
    assert_matches(model.network_.history["lr"], wanted, 1e-12)


def test_reduce_on_plateau_and_checkpoints(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    plan = sb.schedules.ReduceOnPlateau("val_loss", patience=0, factor=0.5)
    path = tmp_path / "best.safetensors"
    keep = sb.Checkpoint(path, monitor="val_loss")
    model = short(
        callbacks=[sb.LearningRateScheduler(plan), keep], max_iter=30, dropout=0.2,
        learning_rate_init=0.02, validation_data=(X[::3], (y[::3] + 1) % 3),
    ).fit(X, y)  # fmt: skip
    lr = model.network_.history["lr"]
    assert lr[-1] < lr[0]
    best = sb.load(path)
    assert best.dropout == (0.2, 0.0)
    assert best.evaluate(X[::3], (y[::3] + 1) % 3)["loss"] == pytest.approx(keep.best)
