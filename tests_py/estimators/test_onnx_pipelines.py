"""Fitted pipelines as ONNX models: run by onnxruntime beside scikit-learn."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.metrics import f1_score, make_scorer
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    PowerTransformer,
    StandardScaler,
)

import swiftbackprop as sb
from helpers import DTYPES, refused
from swiftbackprop.sklearn import MLPClassifier, MLPRegressor, register_onnx, to_onnx

skl2onnx = pytest.importorskip("skl2onnx")
runtime = pytest.importorskip("onnxruntime")
_MAKERS = pytest.importorskip("swiftbackprop._export.onnx")._MAKERS

ROWS = 60
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def feed(X: Any) -> dict[str, npt.NDArray[Any]]:
    """Return what a session takes of data like X."""
    if isinstance(X, np.ndarray):
        return {"X": X}
    columns = {str(name): X[name].to_numpy() for name in X.columns}
    for name, column in columns.items():
        if column.dtype.kind not in "fiub":
            columns[name] = column.astype(str).astype(object)
    return {name: column[:, None] for name, column in columns.items()}


def run(path: Path, X: Any) -> list[npt.NDArray[Any]]:
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert {each.name for each in session.get_inputs()} == set(feed(X))
    return [np.asarray(each) for each in session.run(None, feed(X))]


def numbers(columns: int, dtype: str = "float64") -> npt.NDArray[Any]:
    return np.random.default_rng(0).normal(1000, 300, (ROWS, columns)).astype(dtype)


def table() -> pd.DataFrame:
    """Return a table with a column of every kind, some of them with missing cells."""
    random = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "width (mm)": random.normal(30, 5, ROWS),
            "count": random.integers(0, 9, ROWS),
            "weight": random.normal(size=ROWS).astype(np.float32),
            "kind": random.choice(["oak", "ash", "größer"], ROWS),
            "label": random.choice(["a", "b"], ROWS),
        }
    )
    frame.loc[3:9, "width (mm)"] = np.nan
    frame.loc[5:7, "label"] = None
    return frame


def preparation() -> ColumnTransformer:
    scaled = make_pipeline(SimpleImputer(), StandardScaler())
    known = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder())
    return ColumnTransformer(
        [
            ("numbers", scaled, ["width (mm)", "count", "weight"]),
            ("kind", OneHotEncoder(handle_unknown="ignore"), ["kind"]),
            ("label", known, ["label"]),
        ]
    )


CLASSES = {
    "two texts": ["no", "yes"],
    "three texts": ["a", "b", "größer"],
    "two numbers": [-7, 2**40],
    "three numbers": [1, 2, 5],
    "whole floats": [1.0, 3.0],
    "bools": [False, True],
    "one class": ["all"],
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", list(CLASSES))
def test_labels_and_probabilities(name: str, dtype: str, tmp_path: Path) -> None:
    classes = np.array(CLASSES[name])
    X, y = numbers(4, dtype), classes[np.arange(ROWS) % len(classes)]
    model = make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=20, random_state=0))
    model.fit(X, y)
    to_onnx(model, X, tmp_path / "model.onnx")
    for rows in (1, ROWS):
        label, probabilities = run(tmp_path / "model.onnx", X[:rows])
        assert label.dtype == (object if classes.dtype.kind == "U" else np.int64)
        assert probabilities.dtype == dtype
        np.testing.assert_array_equal(label, model.predict(X[:rows]))
        np.testing.assert_allclose(
            probabilities, model.predict_proba(X[:rows]), rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("labels", [2, 3])
def test_several_labels_a_row(labels: int, dtype: str, tmp_path: Path) -> None:
    X = numbers(4, dtype)
    y = np.random.default_rng(2).integers(0, 2, (ROWS, labels))
    model = make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=50, random_state=0))
    model.fit(X, y)
    to_onnx(model, X, tmp_path / "model.onnx")
    label, probabilities = run(tmp_path / "model.onnx", X)
    np.testing.assert_array_equal(label, model.predict(X))
    np.testing.assert_allclose(probabilities, model.predict_proba(X), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("outputs", [1, 3])
def test_one_number_a_row_and_several(outputs: int, dtype: str, tmp_path: Path) -> None:
    X = numbers(4, dtype)
    y = np.random.default_rng(2).normal(size=(ROWS, outputs)) if outputs > 1 else X[:, 0] / 100
    model = make_pipeline(StandardScaler(), MLPRegressor(hidden_layer_sizes=(8, 5), max_iter=20,
                                                         random_state=0))  # fmt: skip
    model.fit(X, y)
    to_onnx(model, X, tmp_path / "model.onnx")
    (found,) = run(tmp_path / "model.onnx", X)
    assert found.dtype == dtype
    wanted = model.predict(X).reshape(ROWS, outputs)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in _MAKERS if name != "exp"])
def test_every_activation(name: str, tmp_path: Path) -> None:
    X = numbers(4)
    own = MLPRegressor(hidden_layer_sizes=(6, 5), activation=["relu", name], random_state=0)
    model = make_pipeline(StandardScaler(), own.set_params(max_iter=5)).fit(X, X[:, 0] / 100)
    to_onnx(model, X, tmp_path / "model.onnx")
    (found,) = run(tmp_path / "model.onnx", X)
    np.testing.assert_allclose(found[:, 0], model.predict(X), rtol=1e-5, atol=1e-5)


def test_poisson_with_a_loss_of_its_own_output(tmp_path: Path) -> None:
    X = numbers(3)
    y = np.random.default_rng(0).poisson(3, ROWS)
    model = make_pipeline(StandardScaler(), MLPRegressor("poisson", (6,), max_iter=20,
                                                         random_state=0))  # fmt: skip
    model.fit(X, y)
    to_onnx(model, X, tmp_path / "model.onnx")
    (found,) = run(tmp_path / "model.onnx", X)
    np.testing.assert_allclose(found[:, 0], model.predict(X), rtol=1e-10)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_table_with_columns_of_every_kind(library: str, tmp_path: Path) -> None:
    """Under the columns' own names; what is missing too, and texts never seen before."""
    frame = table()
    y = np.array(["no", "yes", "maybe"])[np.arange(ROWS) % 3]
    model = make_pipeline(preparation(), MLPClassifier((8,), max_iter=20, random_state=0))
    model.fit(frame, y)
    # polars has no NaN among texts, and this one is asked for types alone
    X = frame if library == "pandas" else pl.from_pandas(frame.fillna({"label": "a"}))
    to_onnx(model, X, tmp_path / "model.onnx")
    new = frame.assign(kind=["birch", *frame["kind"][1:]])
    for each in (frame, new):
        given = each.assign(label=each["label"].map(lambda text: str(text or None)))
        label, probabilities = run(tmp_path / "model.onnx", given)
        np.testing.assert_array_equal(label, model.predict(each))
        np.testing.assert_allclose(probabilities, model.predict_proba(each), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("flags", [False, True])
def test_missing_numbers_are_filled_in_as_scikit_learn_does(
    flags: bool, dtype: str, tmp_path: Path
) -> None:
    """Also where a column has no value at all, and a mark that is no NaN."""
    for missing in (np.nan, -1.0):
        X = numbers(4, dtype)
        X[::4, 1] = X[1::3, 2] = missing
        if missing != missing:
            X[:, 3] = np.nan
        model = make_pipeline(
            SimpleImputer(missing_values=missing, add_indicator=flags), StandardScaler(),
            MLPClassifier((8,), max_iter=20, random_state=0),
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Skipping features without any observed values")
            wanted = model.fit(X, np.arange(ROWS) % 2).predict_proba(X)
        to_onnx(model, X, tmp_path / "model.onnx")
        _, probabilities = run(tmp_path / "model.onnx", X)
        assert probabilities.dtype == dtype
        np.testing.assert_allclose(probabilities, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "back",
    [StandardScaler(), MinMaxScaler(), (np.log1p, np.expm1), (np.log, np.exp), None],
    ids=["standard", "minmax", "log1p", "log", "none"],
)
@pytest.mark.parametrize("outputs", [1, 2])
def test_targets_that_were_transformed(back: Any, outputs: int, tmp_path: Path) -> None:
    """TransformedTargetRegressor around the pipeline, and in it."""
    X = numbers(3)
    y = X[:, 0] if outputs == 1 else X[:, :2]
    inner = MLPRegressor(hidden_layer_sizes=(8,), max_iter=20, random_state=0)
    if isinstance(back, tuple):
        options = dict(zip(("func", "inverse_func"), back, strict=True))
    else:
        options = {"transformer": back}
    within = make_pipeline(StandardScaler(), TransformedTargetRegressor(inner, **options))
    around = TransformedTargetRegressor(make_pipeline(StandardScaler(), inner), **options)
    for model in (within, around):
        model.fit(X, y + 5000)
        to_onnx(model, X, tmp_path / "model.onnx")
        (found,) = run(tmp_path / "model.onnx", X)
        np.testing.assert_allclose(found, model.predict(X).reshape(ROWS, outputs), rtol=1e-9)


def test_the_best_of_a_search(tmp_path: Path) -> None:
    X, y = numbers(3), np.array(["a", "b"])[np.arange(ROWS) % 2]
    pipe = make_pipeline(StandardScaler(), MLPClassifier((4,), max_iter=5, random_state=0))
    search = GridSearchCV(pipe, {"mlpclassifier__alpha": [1e-4, 1.0]}, cv=2).fit(X, y)
    to_onnx(search, X, tmp_path / "model.onnx")
    label, probabilities = run(tmp_path / "model.onnx", X)
    np.testing.assert_array_equal(label, search.predict(X))
    np.testing.assert_allclose(probabilities, search.predict_proba(X), rtol=1e-9)


@pytest.mark.parametrize("labels", [[0, 1], ["a", "b"]])
@pytest.mark.parametrize("place", [0, 1])
def test_thresholds_decide_in_the_model_too(labels: Any, place: int, tmp_path: Path) -> None:
    """skl2onnx's own converter forgets the threshold and decides at one half."""
    X, y = numbers(3) / 300 - 3, np.array(labels)[np.arange(ROWS) % 3 // 2]
    positive = labels[place]
    net = MLPClassifier((4,), max_iter=5, random_state=0)
    pipe = make_pipeline(StandardScaler(), net)
    f1 = make_scorer(f1_score, pos_label=positive)
    for model in (
        FixedThresholdClassifier(pipe, threshold=0.3, pos_label=positive),
        FixedThresholdClassifier(net, pos_label=positive),
        TunedThresholdClassifierCV(pipe, cv=2, scoring=f1),
        make_pipeline(
            StandardScaler(), FixedThresholdClassifier(net, threshold=0.6, pos_label=positive)
        ),
    ):
        model.fit(X, y)
        to_onnx(model, X, tmp_path / "model.onnx")
        found, probabilities = run(tmp_path / "model.onnx", X)
        np.testing.assert_array_equal(found, model.predict(X))
        np.testing.assert_allclose(probabilities, model.predict_proba(X), rtol=1e-9)
        names = runtime.InferenceSession(str(tmp_path / "model.onnx")).get_outputs()
        assert [each.name for each in names] == ["label", "probabilities"]


def test_skl2onnx_itself_after_one_call() -> None:
    """With its own options: a dict for each row, and in a vote."""
    X, y = numbers(3, "float32"), np.array(["a", "b"])[np.arange(ROWS) % 2]
    pipe = make_pipeline(StandardScaler(), MLPClassifier((4,), max_iter=5, random_state=0))
    vote = VotingClassifier([("one", pipe), ("two", MLPClassifier((), max_iter=5, random_state=1))],
                            voting="soft", flatten_transform=False)  # fmt: skip
    register_onnx()
    for model in (pipe, vote):
        model.fit(X, y)
        made = skl2onnx.to_onnx(model, X[:1])
        session = runtime.InferenceSession(
            made.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        label, rows = session.run(None, {"X": X})
        np.testing.assert_array_equal(label, model.predict(X))
        found = [[row["a"], row["b"]] for row in rows]
        np.testing.assert_allclose(found, model.predict_proba(X), rtol=1e-5, atol=1e-6)


def test_an_estimator_alone_on_integers_and_on_columns(tmp_path: Path) -> None:
    """Without a step that joins the columns; in the numbers of the network."""
    frame = table()[["count", "weight"]]
    bytes_ = np.random.default_rng(0).integers(0, 256, (ROWS, 5), np.uint8)
    for X, dtype in ((frame, None), (bytes_, None), (bytes_, "float32")):
        model = MLPClassifier((4,), max_iter=5, random_state=0, dtype=dtype)
        model.fit(X, np.arange(ROWS) % 3)
        to_onnx(model, X, tmp_path / "model.onnx")
        given = X if X is frame else X.astype(np.int64)
        label, probabilities = run(tmp_path / "model.onnx", given)
        np.testing.assert_array_equal(label, model.predict(X))
        np.testing.assert_allclose(probabilities, model.predict_proba(X), rtol=1e-5, atol=1e-6)


def test_a_pipeline_that_was_fitted_on_sparse_rows(tmp_path: Path) -> None:
    """The model takes the same rows as an array."""
    X = sparse.csr_matrix(np.where(numbers(5) > 1100, numbers(5), 0))
    model = make_pipeline(MaxAbsScaler(), MLPClassifier((4,), max_iter=5, random_state=0))
    model.fit(X, np.arange(ROWS) % 3)
    to_onnx(model, X, tmp_path / "model.onnx")
    label, probabilities = run(tmp_path / "model.onnx", X.toarray())
    np.testing.assert_array_equal(label, model.predict(X))
    np.testing.assert_allclose(probabilities, model.predict_proba(X), rtol=1e-9)


def test_weights_that_were_put_in_later(tmp_path: Path) -> None:
    X = numbers(3)
    model = MLPRegressor(hidden_layer_sizes=(4,), max_iter=2, random_state=0).fit(X, X[:, 0])
    model.coefs_ = [np.ones_like(W) * 0.01 for W in model.coefs_]
    to_onnx(model, X, tmp_path / "model.onnx")
    (found,) = run(tmp_path / "model.onnx", X)
    np.testing.assert_allclose(found[:, 0], model.predict(X), rtol=1e-10)


def test_what_a_model_cannot_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    X, y, path = numbers(3), np.arange(ROWS) % 2, tmp_path / "model.onnx"
    small = MLPClassifier((4,), max_iter=2, random_state=0)
    refused(lambda: to_onnx(small, X, path), NotFittedError, "not fitted")
    tanh = sb.CustomActivation(np.tanh, lambda z: 1 - np.tanh(z) ** 2, name="tanh")
    own = MLPClassifier((4,), tanh, max_iter=2, random_state=0).fit(X, y)
    refused(lambda: to_onnx(own, X, path), NotImplementedError, "of yours: tanh .layer 1.")
    days = np.array(["2026-01-01", "2026-01-02"], "datetime64[D]")[y]
    dated = MLPClassifier((4,), max_iter=2, random_state=0).fit(X, days)
    refused(lambda: to_onnx(dated, X, path), ValueError, "whole numbers or texts", "astype")
    small.fit(X, y)
    refused(lambda: to_onnx(small, X[0], path), ValueError, r"expected shape \(N, D\(0\)\)")
    frame = pd.DataFrame({"a": X[:, 0], "day": pd.Timestamp("2026-01-01"), "text": "x"})
    refused(lambda: to_onnx(small, frame, path), TypeError, "column 'day'")
    refused(lambda: to_onnx(small, frame[["a", "text"]], path), TypeError, "OneHotEncoder")
    regressor = MLPRegressor(hidden_layer_sizes=(4,), max_iter=2, random_state=0)
    power = TransformedTargetRegressor(regressor, transformer=PowerTransformer())
    power.fit(X, X[:, 0])
    refused(lambda: to_onnx(power, X, path), ValueError, "no ONNX form of PowerTransformer")
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    for name in ("_onnx", "_onnx_nodes", "_onnx_steps"):
        monkeypatch.delitem(sys.modules, f"swiftbackprop.sklearn.{name}")
        monkeypatch.delattr(sb.sklearn, name)
    for call in (lambda: to_onnx(small, X, path), register_onnx):
        refused(call, ImportError, "pip install skl2onnx")
    assert list(tmp_path.iterdir()) == []
