"""Early stopping of the estimators: what it goes by, what it keeps, and what it says."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6")

import sklearn
from scipy import sparse
from sklearn.datasets import load_breast_cancer, make_classification, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import (
    balanced_accuracy_score,
    f1_score,
    get_scorer,
    make_scorer,
    mean_absolute_error,
    roc_auc_score,
)
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

import short_fits
import swiftbackprop as sb
from helpers import refused
from short_fits import DIABETES, IRIS
from swiftbackprop.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
short = partial(short_fits.short, max_iter=6)


def rows_set_apart(model: Any, X: Any, y: Any, w: Any = None, stratify: Any = None) -> Any:
    """The rows that early stopping validates on; the draws of the weights come before."""
    random = np.random.RandomState(model.random_state)
    for coef, intercept in zip(model.coefs_, model.intercepts_, strict=True):
        random.uniform(size=coef.size + intercept.size)
    part = model.validation_fraction
    places = train_test_split(
        np.arange(len(y)), random_state=random, test_size=part, stratify=stratify
    )[1]
    return X[places], y[places], None if w is None else w[places]


# --- Scores are the estimator's --------------------------------------------------------------


def scores_of_every_epoch(model: Any, X: Any, y: Any, w: Any = None) -> list[float]:
    """What score(X, y) gives after each epoch, while the model is fitted on IRIS' like."""
    seen: list[float] = []

    def note(net: sb.Network, epoch: int, logs: Any) -> None:
        seen.append(model.score(X, y, w))

    model.set_params(callbacks=[note], validation_data=(X, y, w) if w is not None else (X, y))
    return seen


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel", "number", "numbers"])
def test_validation_scores_are_what_score_gives(kind: str, weighted: bool, form: Any) -> None:
    if kind == "multilabel":
        X, y = make_multilabel_classification(120, 6, random_state=0)
    elif kind in ("number", "numbers"):
        X, y = DIABETES
        y = np.c_[y, y**2] if kind == "numbers" else y
    else:
        X, y = IRIS
        X, y = (X[:100], np.array(["no", "yes"])[y[:100]]) if kind == "binary" else (X, y)
    model = short(MLPRegressor if kind.startswith("number") else MLPClassifier)
    w = np.random.default_rng(0).uniform(0, 2, len(y[::3])) if weighted else None
    expected = scores_of_every_epoch(model, form(X[::3]), y[::3], w)
    model.fit(form(X), y)
    assert len(expected) == 6
    np.testing.assert_allclose(model.validation_scores_, expected, rtol=1e-12)


def test_one_class_alone_scores_1_in_validation_too() -> None:
    X, y = np.random.default_rng(0).normal(size=(40, 3)), np.ones(40, int)
    model = MLPClassifier((), early_stopping=True, validation_fraction=0.5, random_state=0)
    model.fit(X, y)
    assert set(model.validation_scores_) == {model.score(X, y)} == {1.0}


def test_an_output_of_one_half_is_the_same_class_in_both() -> None:
    """All weights 0: every output is ½, which `predict` takes for the first class."""
    X, y = IRIS[0][:100], IRIS[1][:100]
    model = short(alpha=0.0, max_iter=1, optimizer=sb.SGD(0.0), validation_data=(X, y))

    def erase(net: sb.Network, epoch: int, logs: Any) -> None:
        net.parameters[...] = 0

    model.set_params(warm_start=True, callbacks=[erase]).fit(X, y)
    model.set_params(callbacks=None).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), 0.5)
    assert model.validation_scores_[-1] == model.score(X, y) == 0.5
    assert set(model.predict(X)) == {0}
    unequal = short(
        alpha=0.0, max_iter=1, optimizer=sb.SGD(0.0), validation_data=(X[:60], y[:60])
    ).set_params(warm_start=True, callbacks=[erase])
    unequal.fit(X, y).set_params(callbacks=None).fit(X, y)
    assert unequal.validation_scores_[-1] == unequal.score(X[:60], y[:60]) == 50 / 60


def test_weights_of_zero_leave_nothing_to_validate_on() -> None:
    X, y = IRIS
    data = (X[::3], y[::3], np.zeros(50))
    refused(lambda: short(validation_data=data).fit(X, y), ValueError, "weights", "all 0|non-zero")
    weights = np.zeros(150)
    weights[0] = 1.0  # not one of the rows that random_state=0 sets apart
    refused(
        lambda: short(early_stopping=True).fit(X, y, weights), ValueError, "weights", "validate"
    )


# --- scoring ---------------------------------------------------------------------------------


def test_accuracy_of_unequal_classes_is_warned_of_and_the_loss_chooses_better() -> None:
    X, y = make_classification(
        4000, 20, n_informative=4, n_redundant=0, weights=[0.95], flip_y=0.02, class_sep=0.5,
        random_state=3,
    )  # fmt: skip
    y = np.array(["no", "yes"])[y]
    X, X_test, y, y_test = train_test_split(X, y, random_state=0, stratify=y)
    model = MLPClassifier((16,), early_stopping=True, random_state=0, n_iter_no_change=3)
    with pytest.warns(ConvergenceWarning, match=r"never rose above 0\.9.*most frequent class"):
        model.fit(X, y)
    blind = roc_auc_score(y_test, model.predict_proba(X_test)[:, 1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.set_params(scoring="loss").fit(X, y)
    assert roc_auc_score(y_test, model.predict_proba(X_test)[:, 1]) > blind + 0.1


def test_r2_below_the_mean_is_warned_of() -> None:
    X, y = DIABETES
    model = short(MLPRegressor, early_stopping=True, optimizer=sb.SGD(0.0), max_iter=2)
    with pytest.warns(ConvergenceWarning, match="guess of the mean"):
        model.fit(X, y + 50)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
def test_a_score_that_is_never_a_number_is_warned_of() -> None:
    X, y = DIABETES
    one_row = (X[:1], y[:1])
    model = short(MLPRegressor, early_stopping=True, validation_data=one_row, max_iter=30)
    with pytest.warns(ConvergenceWarning, match="NaN after every epoch"):
        model.fit(X, y)
    assert np.isnan(model.score(*one_row))
    assert np.isnan(model.validation_scores_).all()
    assert model.n_iter_ == model.n_iter_no_change + 1


def test_scoring_loss_is_the_validation_loss_with_its_sign_changed() -> None:
    X, y = DIABETES
    model = short(MLPRegressor, early_stopping=True, scoring="loss", max_iter=200).fit(X, y)
    np.testing.assert_array_equal(
        model.validation_scores_, np.negative(model.validation_loss_curve_)
    )
    assert model.n_iter_ < 200
    X_val, y_val, _ = rows_set_apart(model, X, y)
    assert model.network_.evaluate(X_val, y_val)["loss"] == pytest.approx(
        -model.best_validation_score_
    )


def count_misses(model: Any, X: Any, y: Any) -> float:
    """A scorer that takes no weights."""
    return -float(np.sum(model.predict(X) != y))


@pytest.mark.parametrize(
    "scoring",
    ["accuracy", "balanced_accuracy", "neg_log_loss", "f1_macro", "roc_auc_ovr",
     make_scorer(balanced_accuracy_score, adjusted=True), count_misses],
    ids=lambda scoring: getattr(scoring, "__name__", str(scoring)),
)  # fmt: skip
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_any_scorer(scoring: Any, weighted: bool, solver: str) -> None:
    X, y = IRIS
    y = np.array(["a", "b", "c"])[y]
    weights = {"sample_weight": np.linspace(0.1, 1, 50)} if weighted else {}
    data = (X[::3], y[::3], *weights.values())
    model = short(scoring=scoring, validation_data=data, solver=solver).fit(X, y)
    scorer = get_scorer(scoring) if isinstance(scoring, str) else scoring
    weights = {} if scoring is count_misses else weights
    assert model.validation_scores_[-1] == pytest.approx(scorer(model, X[::3], y[::3], **weights))
    assert len(model.validation_scores_) == len(model.validation_loss_curve_) == 6


def test_a_warm_start_by_another_measure_begins_its_scores_anew() -> None:
    """An accuracy of 0.9 is no number that a loss could fall below."""
    X, y = IRIS
    model = short(early_stopping=True, warm_start=True, max_iter=30, learning_rate_init=0.01)
    weights = model.fit(X, y).network_.parameters.copy()
    model.set_params(scoring="loss").fit(X, y)
    assert len(model.validation_scores_) == model.n_iter_ < len(model.validation_loss_curve_)
    assert model.best_validation_score_ == max(model.validation_scores_) < 0
    assert not np.array_equal(model.network_.parameters, weights)
    seen = len(model.validation_scores_)
    model.fit(X, y)
    assert len(model.validation_scores_) > seen


def test_scorers_of_numbers_and_of_several_labels() -> None:
    X, y = DIABETES
    data = (X[::4], y[::4])
    model = short(MLPRegressor, scoring="neg_mean_absolute_error", validation_data=data).fit(X, y)
    expected = -mean_absolute_error(y[::4], model.predict(X[::4]))
    assert model.validation_scores_[-1] == pytest.approx(expected)
    X, Y = make_multilabel_classification(120, 6, random_state=0)
    model = short(scoring="jaccard_weighted", early_stopping=True).fit(X, Y)
    assert len(model.validation_scores_) == 6


def test_names_of_columns_raise_no_warning_while_scoring() -> None:
    pandas = pytest.importorskip("pandas")
    X, y = IRIS
    frame = pandas.DataFrame(X, columns=list("abcd"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = short(scoring="neg_log_loss", early_stopping=True).fit(frame, y)
    assert list(model.feature_names_in_) == list("abcd")


def test_wrong_scorings_say_what_there_is() -> None:
    refused(lambda: short(scoring="acuracy").fit(*IRIS), ValueError, "scoring", "'accuracy'")
    refused(lambda: short(scoring=3).fit(*IRIS), TypeError, "scoring", "loss", "3")
    refused(lambda: short(scoring=f1_score).fit(*IRIS), ValueError, "scoring", "f1_score")
    ours = short(scoring=sb.metrics.auc)
    refused(lambda: ours.fit(*IRIS), TypeError, r"auc\(y, a\)", "scoring='roc_auc'")
    words = short(scoring=lambda m, X, y: "good", early_stopping=True)
    refused(lambda: words.fit(*IRIS), TypeError, "scoring must return a number", "good")
    # What scikit-learn says of classes that a scorer cannot tell names no parameter.
    with pytest.raises(ValueError, match="multi_class") as caught:
        short(scoring="roc_auc", early_stopping=True).fit(*IRIS)
    assert "scoring='roc_auc'" in caught.value.__notes__[0]


# --- Callbacks beside it ---------------------------------------------------------------------


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
def test_weights_that_a_callback_puts_back_stay(form: Any) -> None:
    X, y = IRIS
    wrong = np.where(np.arange(150) % 3 == 0, (y + 1) % 3, y)
    stop = sb.EarlyStopping("val_loss", patience=3)
    model = short(early_stopping=True, callbacks=[stop], max_iter=400, learning_rate_init=0.05)
    model.fit(form(X), wrong)
    X_val, y_val, _ = rows_set_apart(model, X, wrong)
    assert model.network_.evaluate(X_val, y_val)["loss"] == pytest.approx(stop.best)
    assert stop.best == min(model.validation_loss_curve_)
    best_score = int(np.argmax(model.validation_scores_))
    assert stop.best_epoch != best_score, "else the test shows nothing"


# --- Divergence ------------------------------------------------------------------------------


def diverging(**changes: Any) -> MLPRegressor:
    """scikit-learn's own case (its issue 29504)."""
    parameters: dict[str, Any] = {
        "hidden_layer_sizes": 100, "activation": "identity", "solver": "sgd", "max_iter": 20,
        "learning_rate_init": 1, "early_stopping": True, "random_state": 0,
    }  # fmt: skip
    return MLPRegressor(**parameters | changes)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
def test_divergence_after_a_good_epoch_ends_with_the_best_weights(form: Any) -> None:
    X, y = IRIS
    model = diverging()
    with pytest.warns(ConvergenceWarning, match="diverged in epoch"):
        model.fit(form(X), y)
    assert np.isnan(model.validation_scores_[-1])
    assert np.isnan(model.loss_curve_[-1])
    assert len(model.loss_curve_) == len(model.validation_scores_) == model.n_iter_ < 20
    assert np.isfinite(model.best_validation_score_)
    X_val, y_val, _ = rows_set_apart(model, X, y)
    assert model.score(form(X_val), y_val) == pytest.approx(model.best_validation_score_)


def test_divergence_without_anything_to_go_back_to_is_an_error() -> None:
    refused(lambda: diverging(early_stopping=False).fit(*IRIS), ValueError, "non-finite")
    worse = diverging(learning_rate_init=1e300)
    refused(lambda: worse.fit(*IRIS), ValueError, "non-finite", "overflow")


def test_divergence_after_a_callback_has_good_weights() -> None:
    stop = sb.EarlyStopping("loss")
    model = diverging(early_stopping=False, callbacks=[stop])
    with pytest.warns(ConvergenceWarning, match="diverged in epoch"):
        model.fit(*IRIS)
    assert np.isfinite(model.network_.parameters).all()
    assert stop.best_epoch >= 0


# --- Rows to validate on, in a Pipeline ------------------------------------------------------


def test_a_pipeline_transforms_the_rows_to_validate_on() -> None:
    X, y = load_breast_cancer(return_X_y=True)
    X, X_val, y, y_val = train_test_split(X, y, random_state=0)
    net = short(early_stopping=True, max_iter=50)
    with sklearn.config_context(enable_metadata_routing=True):
        net.set_fit_request(X_val=True, y_val=True)
        model = Pipeline([("scale", StandardScaler()), ("net", net)], transform_input=["X_val"])
        model.fit(X, y, X_val=X_val, y_val=y_val)
    assert model[-1].best_validation_score_ == model.score(X_val, y_val) > 0.9
    scaler = StandardScaler().fit(X)
    by_hand = short(early_stopping=True, max_iter=50).fit(
        scaler.transform(X), y, X_val=scaler.transform(X_val), y_val=y_val
    )
    np.testing.assert_array_equal(by_hand.validation_scores_, model[-1].validation_scores_)


def test_rows_to_validate_on_are_given_once_and_whole() -> None:
    X, y = IRIS
    w = np.linspace(0, 1, 50)
    one = short(validation_data=(X[::3], y[::3], w)).fit(X, y)
    other = short().fit(X, y, X_val=X[::3], y_val=y[::3], sample_weight_val=w)
    assert one.validation_scores_ == other.validation_scores_
    both = short(validation_data=(X, y))
    refused(lambda: both.fit(X, y, X_val=X, y_val=y), ValueError, "X_val", "validation_data")
    refused(lambda: short().fit(X, y, X_val=X), ValueError, "y_val is missing")
    refused(lambda: short().fit(X, y, y_val=y), ValueError, "X_val is missing")
    refused(lambda: short().fit(X, y, sample_weight_val=w), ValueError, "X_val is missing")
