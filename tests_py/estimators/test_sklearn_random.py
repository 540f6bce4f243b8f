"""Random settings beside scikit-learn's MLP of the same random_state: the same numbers.

FUZZ_SETTINGS says how many there are, FUZZ_SEED which is the first; `make fuzz-sklearn` runs a
thousand. A setting depends on its number alone: one that fails is run again with
``FUZZ_SETTINGS=1 FUZZ_SEED=<number>``. What is documented to differ (docs/sklearn.md, "What is
better, and why") is left out where a setting is drawn, and every place says which line it is.
"""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import sparse
from sklearn import neural_network as theirs
from sklearn.neural_network._base import LOSS_FUNCTIONS

from swiftbackprop import sklearn as ours

FIRST = int(os.environ.get("FUZZ_SEED", "0"))
SETTINGS = int(os.environ.get("FUZZ_SETTINGS", "30"))

CLASSIFIES = {"two", "texts", "several", "labels"}
COUNTS = ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_")


@dataclass
class Setting:
    """An estimator's parameters, its data, and what is called."""

    task: str
    parameters: dict[str, Any]
    X: Any
    y: npt.NDArray[Any]
    weights: npt.NDArray[Any] | None
    calls: list[tuple[str, slice]]
    new: npt.NDArray[Any] = field(repr=False)

    @property
    def rtol(self) -> float:
        return 1e-6 if self.X.dtype == np.float64 else 2e-2


def draw(number: int) -> Setting:
    random = np.random.default_rng(number)

    def one(*choices: Any) -> Any:
        return choices[random.integers(len(choices))]

    task = one("two", "texts", "several", "labels", "number", "number", "numbers", "poisson")
    rows, columns = int(random.integers(25, 120)), int(random.integers(1, 7))
    dtype = one("float64", "float64", "float64", "float32")
    X: Any = random.normal(size=(rows, columns)).astype(dtype)
    y = _targets(task, X, random)
    weights = one(None, None, random.uniform(0.1, 3, rows), random.integers(1, 4, rows))
    solver = one("adam", "sgd", "sgd", "adam", "lbfgs")
    if task == "numbers" and solver == "lbfgs":
        solver = "adam"  # "the loss of several numbers a row is their sum": another search
    way = one("fit", "fit", "warm", "partial")
    if solver == "lbfgs" and way == "partial":
        way = "fit"
    if task == "poisson":
        weights = None  # "the constant of poisson's loss is weighted over all rows"
    epochs = int(random.integers(1, 25 if dtype == "float64" else 8))
    early = bool(one(False, True)) and way != "partial" and solver != "lbfgs"
    patience = int(one(1, 2, 5, 10))
    # "a warm start may again go n_iter_no_change epochs", "the loss of several numbers is their
    # sum", and in float32 rounding decides: none of these ends by the loss.
    if way == "warm" or (task == "numbers" and not early) or dtype == "float32":
        patience = 100
    hidden = one((), (), (4,), (8,), 6, [5], (5, 4), [4, 3, 2])
    batch = one("auto", 1, 7, 16, rows, 3 * rows)
    parameters = {
        "hidden_layer_sizes": hidden,
        "activation": one("identity", "logistic", "tanh", "relu"),
        "solver": solver,
        "alpha": one(0.0, 1e-4, 0.01, 1.0),
        "batch_size": batch,
        "learning_rate": one("constant", "invscaling", "adaptive"),
        "learning_rate_init": one(0.001, 0.01, 0.03),
        "power_t": one(0.0, 0.25, 0.5),
        "max_iter": epochs,
        # "the orders are not scikit-learn's": only where there is one batch
        "shuffle": bool(one(True, False))
        and (batch == "auto" or batch >= rows)
        # nor are those numbers drawn that choose the next rows to set apart
        and not (way == "warm" and early),
        "random_state": one(int(random.integers(1000)), np.random.RandomState),
        "tol": one(0.0, 1e-4, 1e-2),
        "warm_start": way == "warm",
        "momentum": one(0.0, 0.5, 0.9),
        "nesterovs_momentum": bool(one(True, False)),
        "early_stopping": early,
        "validation_fraction": one(0.1, 0.2, 0.4),
        "beta_1": one(0.9, 0.5, 0.0),
        "beta_2": one(0.999, 0.9, 0.5),
        "epsilon": one(1e-8, 1e-4),
        "n_iter_no_change": patience,
        "max_fun": one(15000, 15000, 5),
    }
    if task == "poisson":
        parameters["loss"] = "poisson"
    kind = one("dense", "dense", "dense", "sparse", "fortran", "ints")
    if kind == "sparse":
        X = sparse.csr_matrix(np.where(abs(X) > 0.8, X, 0))
    elif kind == "fortran":
        X = np.asfortranarray(X)
    elif kind == "ints" and dtype == "float64":
        X = np.round(2 * X).astype(np.int64)
    whole, half = slice(None), rows // 2
    calls = {
        "fit": [("fit", whole)],
        # "the best weights of all fits come back": a third fit would begin with others
        "warm": [("fit", whole)] * (2 if early else int(random.integers(2, 4))),
        "partial": [("partial_fit", one(whole, slice(half), slice(half, None)))
                    for _ in range(int(random.integers(1, 6)))],
    }[way]  # fmt: skip
    new = random.normal(size=(10, columns)).astype(dtype)
    return Setting(task, parameters, X, y, weights, calls, new)


def _targets(task: str, X: npt.NDArray[Any], random: np.random.Generator) -> npt.NDArray[Any]:
    rows, columns = X.shape
    z = X @ random.normal(size=(columns, 4)) + random.normal(0, 0.5, (rows, 4))
    places = np.arange(rows) % (2 if task in ("two", "texts") else 3 + rows % 2)
    chosen = np.where(random.random(rows) < 0.3, places, z.argmax(1) % (places.max() + 1))
    chosen[: len(set(places))] = np.unique(places)  # every class is there
    makers: dict[str, Callable[[], npt.NDArray[Any]]] = {
        "two": lambda: chosen * 3 - 1,
        "texts": lambda: np.array(["no", "yes"])[chosen],
        "several": lambda: np.array([7, 3, 11, 5])[chosen],
        "labels": lambda: (z[:, : 2 + rows % 3] > 0).astype(int),
        "number": lambda: z[:, 0] * 2 + 1,
        "numbers": lambda: z[:, : 2 + rows % 3],
        "poisson": lambda: random.poisson(np.exp(np.clip(z[:, 0], -3, 2))).astype(float),
    }
    return makers[task]()


def run(module: Any, setting: Setting) -> tuple[Any, str | None]:
    """Return the estimator after all calls, and the error that ended them."""
    classifies = setting.task in CLASSIFIES
    kind = module.MLPClassifier if classifies else module.MLPRegressor
    given = dict(setting.parameters)
    if given["random_state"] is np.random.RandomState:
        given["random_state"] = np.random.RandomState(5)
    model = kind(**given)
    classes = np.unique(setting.y) if setting.task != "labels" else np.arange(setting.y.shape[1])
    for call, rows in setting.calls:
        more: dict[str, Any] = {}
        if setting.weights is not None:
            more["sample_weight"] = setting.weights[rows]
        if call == "partial_fit" and classifies:
            more["classes"] = classes
        try:
            getattr(model, call)(setting.X[rows], setting.y[rows], **more)
        except ValueError as error:
            return model, str(error)
    return model, None


@pytest.fixture(scope="module")
def outcomes() -> Iterator[Counter[str]]:
    """How many settings were compared and how many not; shown with -s."""
    counts: Counter[str] = Counter()
    yield counts
    print(f"\n{dict(counts)}")


@pytest.fixture
def clipped(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The losses in which scikit-learn has clipped a probability since the test began."""
    found: list[str] = []

    def watching(name: str, loss: Callable[..., Any]) -> Callable[..., Any]:
        def watched(y: Any, a: Any, *more: Any) -> Any:
            eps = np.finfo(a.dtype).eps
            if "log_loss" in name and np.any((a < eps) | (a > 1 - eps)):
                found.append(name)
            return loss(y, a, *more)

        return watched

    for name, loss in LOSS_FUNCTIONS.items():
        monkeypatch.setitem(LOSS_FUNCTIONS, name, watching(name, loss))
    return found


def _moved(setting: Setting) -> list[Any]:
    """Return scikit-learn's own models after X has moved by its last bit.

    Relu's kinks and the line searches of lbfgs can make much of that.
    """
    models = []
    for seed in range(3):
        random = np.random.default_rng(seed)
        X = setting.X.astype(np.promote_types(setting.X.dtype, np.float32))
        values = X.data if sparse.issparse(X) else X
        up_or_down = random.choice([-np.inf, np.inf], values.shape)
        values[...] = np.nextafter(values, up_or_down.astype(values.dtype))
        models.append(_quietly(theirs, replace(setting, X=X))[0])
    return models


def _quietly(module: Any, setting: Setting) -> tuple[Any, str | None]:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # few epochs do not converge
        return run(module, setting)


@pytest.mark.parametrize("number", range(FIRST, FIRST + SETTINGS))
def test_random_settings_beside_scikit_learn(
    number: int, outcomes: Counter[str], clipped: list[str]
) -> None:
    setting = draw(number)
    (wanted, error), (found, own) = (_quietly(module, setting) for module in (theirs, ours))
    if clipped:  # "the loss is computed from z"
        outcomes["sure beyond what scikit-learn's loss tells"] += 1
        return
    if not np.isfinite(getattr(wanted, "loss_", 0.0)):  # "if training diverges"
        outcomes["diverged"] += 1
        assert own is not None or not np.isfinite(found.loss_), setting
        return
    assert (error is None) == (own is None), (error, own, setting)
    if error is not None:
        outcomes["refused by both"] += 1
        return
    # With tol=0 lbfgs ends where the numbers do, and rounding says in which iteration.
    counts = COUNTS[setting.parameters["solver"] == "lbfgs" and setting.parameters["tol"] == 0 :]
    for name in counts:
        assert getattr(found, name) == getattr(wanted, name), (name, setting)

    moved: list[Any] = []

    def close(get: Callable[[Any], Any], what: str) -> None:
        one, other = np.asarray(get(found), float), np.asarray(get(wanted), float)
        assert one.shape == other.shape, (what, setting)
        scale = max(1.0, float(abs(other).max(initial=0)))
        error = float(abs(one - other).max(initial=0)) / scale
        if error > setting.rtol:
            if not moved:
                outcomes["of these within what rounding does to scikit-learn's"] += 1
                moved.extend(_moved(setting))
            others = [np.asarray(get(model), float) for model in moved]
            own_error = max(
                float(abs(each - other).max()) / scale if each.shape == other.shape else np.inf
                for each in others
            )
            assert error <= 100 * own_error, (
                f"{what}: {error} off, {own_error} by rounding; {setting}"
            )

    outcomes["equal"] += 1
    early, solver = (setting.parameters[name] for name in ("early_stopping", "solver"))
    keeps_others = early and setting.parameters["warm_start"]
    for m in range(len(wanted.coefs_) if not keeps_others else 0):
        close(lambda model, m=m: model.coefs_[m], f"coefs_[{m}]")
        close(lambda model, m=m: model.intercepts_[m], f"intercepts_[{m}]")
        if solver != "lbfgs":  # "lbfgs returns weights of the network's dtype"
            assert found.coefs_[m].dtype == wanted.coefs_[m].dtype, setting
    if early:
        close(lambda model: model.validation_scores_, "validation_scores_")
        close(lambda model: model.best_validation_score_, "best_validation_score_")
    # "lbfgs has a loss_curve_"; "the loss of several numbers a row is their sum"
    if setting.task != "numbers":
        if solver != "lbfgs":
            close(lambda model: model.loss_curve_, "loss_curve_")
        close(lambda model: model.loss_, "loss_")
    if keeps_others:
        return
    if setting.task in CLASSIFIES:
        close(lambda model: model.predict_proba(setting.new), "predict_proba")
        np.testing.assert_array_equal(found.classes_, wanted.classes_)
        sure = np.all(abs(wanted.predict_proba(setting.new) - 0.5) > 0.01)
        if sure:
            np.testing.assert_array_equal(found.predict(setting.new), wanted.predict(setting.new))
    else:
        close(lambda model: model.predict(setting.new), "predict")


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("task", ["two", "several", "labels", "number"])
def test_weights_without_a_hidden_layer_go_by_the_activation_too(
    task: str, activation: str
) -> None:
    """Which has no layer there, and yet decides how large scikit-learn draws them."""
    random = np.random.default_rng(0)
    X = random.normal(size=(30, 4))
    parameters = {"hidden_layer_sizes": (), "activation": activation, "solver": "sgd",
                  "max_iter": 1, "shuffle": False, "random_state": 0}  # fmt: skip
    calls = [("fit", slice(None))]
    setting = Setting(task, parameters, X, _targets(task, X, random), None, calls, X)
    (wanted, _), (found, _) = (_quietly(module, setting) for module in (theirs, ours))
    np.testing.assert_allclose(found.coefs_[0], wanted.coefs_[0], rtol=1e-12)
    np.testing.assert_allclose(found.intercepts_[0], wanted.intercepts_[0], rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_that_move_by_their_last_bit_change_the_weights(dtype: str) -> None:
    """Of either type, so that they tell what rounding does."""
    random = np.random.default_rng(0)
    X = random.normal(size=(30, 4)).astype(dtype)
    parameters = {"hidden_layer_sizes": (), "solver": "sgd", "learning_rate_init": 0.5,
                  "max_iter": 5, "shuffle": False, "random_state": 0}  # fmt: skip
    calls = [("fit", slice(None))]
    setting = Setting("number", parameters, X, _targets("number", X, random), None, calls, X)
    wanted, _ = _quietly(theirs, setting)
    for model in _moved(setting):
        assert np.any(model.coefs_[0] != wanted.coefs_[0])
