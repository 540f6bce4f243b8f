"""Checks by three processes: the estimators, which all processes give all rows."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from checks import all_equal, check, comm, data, share
from swiftbackprop.sklearn import MLPClassifier, MLPRegressor


@check
def classifiers() -> None:
    X, y = data(150)
    for given in ({}, {"early_stopping": True}, {"class_weight": "balanced", "solver": "sgd"}):
        made = [
            MLPClassifier((8,), random_state=1, max_iter=6, tol=0.0, n_iter_no_change=99, **given)
            for _ in range(2)
        ]
        labels = np.array(["a", "b", "c"])[y]
        made[0].fit(X, labels, comm=comm)
        made[1].fit(X, labels)
        for one, other in zip(*(m.coefs_ for m in made), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(made[0].loss_curve_, made[1].loss_curve_, rtol=1e-11)


@check
def regressors() -> None:
    X, _ = data(150)
    y = X[:, 0] * X[:, 1]
    # By process 0's draw.
    made = MLPRegressor(
        hidden_layer_sizes=(8,), random_state=None, max_iter=4, tol=0.0, n_iter_no_change=99
    )
    made.fit(X, y, X_val=X[:20], y_val=y[:20], comm=comm)
    assert all_equal([w.tobytes() for w in made.coefs_])
    assert len(made.validation_scores_) == 4


@check
def sparse_rows_of_estimators() -> None:
    X, y = data(150)
    X[np.abs(X) < 0.5] = 0
    made = {}
    for given in ({"early_stopping": True}, {"class_weight": "balanced", "batch_size": 2}):
        for name, comm_given in (("all", comm), ("one", None)):
            made[name] = MLPClassifier(
                (8,), random_state=1, max_iter=3, tol=0.0, n_iter_no_change=99, dropout=0.2, **given
            )
            made[name].fit(sparse.csr_matrix(X), y, comm=comm_given)
        assert_alike(made["all"], made["one"])
        assert all_equal([w.tobytes() for w in made["all"].coefs_])


def assert_alike(one: Any, other: Any) -> None:
    for a, b in zip(one.coefs_, other.coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(one.loss_curve_, other.loss_curve_, rtol=1e-11)
    if one.validation_scores_ is not None:
        np.testing.assert_allclose(one.validation_scores_, other.validation_scores_, rtol=1e-11)


@check
def lbfgs_of_estimators() -> None:
    X, y = data(50 * comm.size)
    few = {"solver": "lbfgs", "random_state": 1, "max_iter": 8, "hidden_layer_sizes": (8,)}
    t = X[:, 0] * X[:, 1]
    held = {"X_val": X[:20], "y_val": t[:20]}
    fits: list[tuple[Callable[[], Any], tuple[Any, Any], dict[str, Any]]] = [
        (lambda: MLPRegressor(**few), (X, t), held),
        (lambda: MLPClassifier(**few, class_weight="balanced"), (sparse.csr_matrix(X), y), {}),
        # Fewer rows than processes.
        (lambda: MLPRegressor(**few), (X[: comm.size - 1], t[: comm.size - 1]), {}),
    ]
    for make, rows, given in fits:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            made = make().fit(*rows, comm=comm, **given), make().fit(*rows, **given)
        assert all_equal([w.tobytes() for w in made[0].coefs_])
        assert made[0].n_iter_ == made[1].n_iter_
        assert_alike(*made)


@check
def lbfgs_in_float32_searches_in_float64() -> None:
    X, y = data(90)
    few = {"solver": "lbfgs", "random_state": comm.rank, "max_iter": 5, "dtype": "float32"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        made = MLPClassifier((8,), **few).fit(X, y, comm=comm)  # as process 0 draws
        alone = MLPClassifier((8,), **{**few, "random_state": 0}).fit(X, y)
    assert all_equal([w.tobytes() for w in made.coefs_])
    for a, b in zip(made.coefs_, alone.coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)


@check
def a_search_ends_on_all_processes() -> None:
    X, y = data(90)

    def ends(what: Callable[[Any], bool], **given: Any) -> MLPClassifier:
        made = MLPClassifier((8,), solver="lbfgs", random_state=1, callbacks=[what], **given)
        return made.fit(X, y, comm=comm)

    def stops(net: Any, epoch: int, logs: Any) -> bool:
        return epoch == 2 and comm.rank == comm.size - 1

    made = ends(stops)
    assert all_equal((made.n_iter_, [w.tobytes() for w in made.coefs_]))
    assert made.n_iter_ == 3

    def fails(net: Any, epoch: int, logs: Any) -> bool:
        if stops(net, epoch, logs):
            raise LookupError("in the midst of a search")
        return False

    with pytest.raises((LookupError, RuntimeError), match="in the midst of a search"):
        ends(fails)

    def interrupts(net: Any, epoch: int, logs: Any) -> bool:
        if stops(net, epoch, logs):
            os.kill(os.getpid(), signal.SIGINT)
        return False

    with pytest.warns(UserWarning, match="interrupted"):
        made = ends(interrupts)
    assert all_equal([w.tobytes() for w in made.coefs_])


@check
def only_process_0_says_something() -> None:
    X, y = data(60)
    for solver in ("adam", "lbfgs"):
        said = io.StringIO()
        with warnings.catch_warnings(), contextlib.redirect_stdout(said):
            warnings.simplefilter("ignore", ConvergenceWarning)
            made = MLPClassifier((8,), solver=solver, verbose=True, max_iter=2, random_state=0)
            made.fit(X, y, X_val=X, y_val=y, comm=comm)
        assert said.getvalue().count("Validation score") == (2 if comm.rank == 0 else 0)
        assert said.getvalue().count("Iteration") == (2 if comm.rank == 0 else 0)


@check
def estimators_refuse_rows_that_are_not_the_same() -> None:
    X, y = data(90)
    made = MLPClassifier((8,), random_state=1, max_iter=2)
    own = share(len(X))
    for rows in (X[own], y[own]), (X + comm.rank, y), (X, np.roll(y, comm.rank)):
        with pytest.raises(ValueError, match=r"process 1 of 3 .* An estimator divides X and y"):
            made.fit(*rows, comm=comm)
    given = {"max_iter": 2 + comm.rank}
    with pytest.raises(ValueError, match="process 1 of 3 has max_iter = 3, but process 0 has 2"):
        MLPClassifier((8,), **given).fit(X, y, comm=comm)
    wrong = MLPClassifier((8,), alpha=-1.0 if comm.rank == 1 else 0.0)
    with pytest.raises(ValueError, match="alpha"):
        wrong.fit(X, y, comm=comm)
