"""Estimators on data of every kind: sparse rows, frames, integers, labels of any sort."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6")

from scipy import sparse
from sklearn import neural_network as theirs
from sklearn.base import clone
from sklearn.datasets import load_digits, make_multilabel_classification

import swiftbackprop as sb
from helpers import refused
from short_fits import IRIS, short
from swiftbackprop.sklearn import MLPClassifier, MLPRegressor
from test_sklearn_life import weights_of

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csr_array, sparse.csc_array])
@pytest.mark.parametrize("changes", [{"solver": "adam"}, {"solver": "lbfgs"}])
def test_sparse_rows_train_as_dense_ones(form: Any, changes: dict[str, Any]) -> None:
    X, y = load_digits(return_X_y=True)
    model = short(shuffle=False, **changes)
    dense = clone(model).fit(X, y)
    thin = clone(model).fit(form(X), y)
    np.testing.assert_allclose(thin.loss_curve_, dense.loss_curve_, rtol=1e-9)
    np.testing.assert_allclose(thin.predict_proba(form(X)), dense.predict_proba(X), atol=1e-9)


@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csr_array, sparse.csc_array])
def test_sparse_labels_come_back_as_scikit_learn_has_them(form: Any) -> None:
    X, Y = make_multilabel_classification(60, 5, n_classes=3, random_state=0)
    both = [
        module(hidden_layer_sizes=6, random_state=0, shuffle=False, max_iter=20)
        for module in (theirs.MLPClassifier, MLPClassifier)
    ]
    for one, other in (
        [model.fit(X, form(Y)) for model in both],
        [clone(model).partial_fit(X, form(Y), classes=[0, 1, 2]) for model in both],
    ):
        expected, found = one.predict(X), other.predict(X)
        assert type(found) is type(expected)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found.toarray(), expected.toarray())
        np.testing.assert_array_equal(one.classes_, other.classes_)
    dense = short().fit(X, Y)
    thin = short().fit(X, form(Y))
    assert dense.score(X, Y) == thin.score(X, form(Y)) == thin.score(X, Y)
    assert isinstance(dense.predict(X), np.ndarray)
    for scoring in (None, "roc_auc", "f1_macro"):
        scored = short(early_stopping=True, scoring=scoring, validation_fraction=0.4)
        assert np.isfinite(scored.fit(X, form(Y)).validation_scores_).all()


def test_sparse_rows_are_shuffled_stopped_and_stored() -> None:
    X, y = load_digits(return_X_y=True)
    X = X / 16
    model = short(early_stopping=True, max_iter=30, hidden_layer_sizes=32)
    thin = model.fit(sparse.csr_array(X), y)
    assert thin.score(sparse.csr_array(X), y) > 0.9
    assert len(thin.validation_loss_curve_) == thin.n_iter_
    assert thin.network_.history.epochs == thin.n_iter_
    again = clone(model).fit(sparse.csr_array(X), y)
    np.testing.assert_array_equal(weights_of(again), weights_of(thin))


def test_a_wide_sparse_matrix_never_becomes_dense() -> None:
    rng = np.random.default_rng(0)
    X = sparse.random_array((3000, 60_000), density=2e-4, rng=rng, format="csr")
    y = (np.asarray(X[:, :30_000].sum(axis=1)) > 0).astype(int).ravel()
    import tracemalloc

    model = MLPClassifier(2, max_iter=1, random_state=0, dtype="float32")
    tracemalloc.start()
    model.fit(X, y).predict(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3000 * 60_000 * 4 / 5  # of what all rows would take


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_and_their_names(library: str) -> None:
    frames = pytest.importorskip(library)
    X, y = IRIS
    names = ["a", "b", "c", "d"]
    frame = frames.DataFrame({name: X[:, i] for i, name in enumerate(names)})
    model = short().fit(frame, frames.Series(np.array(["x", "y", "z"])[y]))
    assert list(model.feature_names_in_) == names
    assert set(model.predict(frame)) <= {"x", "y", "z"}
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[["b", "a", "c", "d"]])


def test_a_stream_is_for_networks() -> None:
    X, y = IRIS
    stream, model = sb.data.stream(X, target=y), short().fit(X, y)
    for call in (lambda: model.fit(stream, y), lambda: model.predict(stream)):
        refused(call, TypeError, "X is a stream of rows, which Network.fit", "arrays")


def test_integers_are_not_converted_as_a_whole() -> None:
    X, y = load_digits(return_X_y=True)
    expected = short(shuffle=False).fit(X, y).loss_curve_
    found = short(shuffle=False).fit(X.astype(np.uint8), y).loss_curve_
    np.testing.assert_allclose(found, expected)


def test_labels_of_any_sort() -> None:
    X, y = IRIS
    for labels in (["b", "a", "c"], [3.0, -1.0, 7.0], [10**12, 5, -(2**40)], [True, False, True]):
        given = np.array(labels)[y]
        model = short(max_iter=300, solver="lbfgs").fit(X, given)
        np.testing.assert_array_equal(model.classes_, np.unique(given))
        assert model.score(X, given) > 0.9
    one = short().fit(X, np.full(150, "only"))
    assert set(one.predict(X)) == {"only"}
    np.testing.assert_array_equal(one.predict_proba(X), np.ones((150, 1)))


def test_what_is_masked_out_is_not_learnt() -> None:
    X, y = IRIS
    hidden = np.ma.masked_array(X, mask=X > 5)
    labels = np.ma.masked_array(y, mask=y == 1)
    model = short().fit(X, y)
    for call, words in (
        (lambda: short().fit(hidden, y), "X is a masked array"),
        (lambda: short().fit(X, labels), "y is a masked array"),
        (lambda: MLPRegressor(max_iter=1).fit(X, labels), "y is a masked array"),
        (lambda: model.predict(hidden), "X is a masked array"),
        (
            lambda: short(validation_data=(hidden, y)).fit(X, y),
            "X of validation_data is a masked array",
        ),
    ):
        refused(call, ValueError, f"^{words} with values masked out")  # type: ignore[arg-type]
    whole = np.ma.masked_array(X)
    np.testing.assert_array_equal(short().fit(whole, y).predict(whole), model.predict(X))


def test_targets_of_another_kind_say_what_to_write() -> None:
    X, y = IRIS
    words = np.array(["low", "middle", "high"])[y]
    for text in (words, list(words), np.where(y > 0, "1.5", "2.5")):
        refused(
            lambda text=text: MLPRegressor(max_iter=1).fit(X, text),  # type: ignore[misc]
            TypeError, "^y holds text; expected real numbers", "MLPClassifier", "asarray",
        )  # fmt: skip
    for labels, do in (
        (y.astype(object), r"y\.astype\(int\)"),
        ((y > 0).astype(object), r"y\.astype\(bool\)"),
        (np.array([{"a": 1}] * 150), r"str\(label\)"),
    ):
        refused(
            lambda labels=labels: short().fit(X, labels),  # type: ignore[misc]
            ValueError, "^Unknown label type: unknown", do,
        )  # fmt: skip
