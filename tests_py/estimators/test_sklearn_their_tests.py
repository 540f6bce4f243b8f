"""scikit-learn's own tests of its MLPClassifier and MLPRegressor, with ours in their place.

The file is that of the scikit-learn which is installed; every test of it runs but for those
listed here, each with its reason.
"""

from __future__ import annotations

import types
import warnings
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

pytest.importorskip("sklearn", minversion="1.6")

import sklearn.neural_network as theirs

import swiftbackprop.sklearn as ours

LEFT_OUT = {
    "test_fit": "fills an estimator by hand through private attributes (_random_state, ...)",
    "test_gradient": "calls the private _loss_grad_lbfgs and _unpack",
    "test_learning_rate_warmstart": "reads _optimizer.learning_rate; its public side is "
    "test_sklearn.py::test_sgd_as_in_scikit_learn",
    "test_adaptive_learning_rate": "reads _optimizer.learning_rate; its public side is below",
    "test_early_stopping_stratified": "wants the class to be called 'True' in the message, "
    "where it is the user's label here; the rest of it is below",
}

# Their tests are written for runs in which warnings are not errors.
pytestmark = pytest.mark.filterwarnings("ignore")
FILE = Path(theirs.__file__).parent / "tests" / "test_mlp.py"


def load() -> dict[str, Any]:
    """What the file defines if ``sklearn.neural_network`` holds our estimators."""
    module = types.ModuleType("test_mlp")
    names = {name: getattr(ours, name) for name in ("MLPClassifier", "MLPRegressor")}
    with mock.patch.multiple(theirs, **names), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(FILE.read_text(), FILE, "exec"), vars(module))
    return vars(module)


THEIRS = {name: test for name, test in load().items() if name.startswith("test_")}
globals().update({name: test for name, test in THEIRS.items() if name not in LEFT_OUT})


@pytest.fixture
def global_random_seed() -> int:
    """As scikit-learn's own conftest has it where nothing else is asked."""
    return 42


def test_it_is_their_file_and_most_of_it_runs() -> None:
    assert len(THEIRS) >= 35
    assert set(LEFT_OUT) <= set(THEIRS), "a name that is left out in vain"


def test_an_adaptive_learning_rate_ends_below_its_least() -> None:
    model = ours.MLPClassifier(
        tol=0.5, max_iter=3000, solver="sgd", learning_rate="adaptive", random_state=0
    ).fit([[3, 2], [1, 6]], [1, 0])
    assert model.n_iter_ < model.max_iter
    assert model.network_.optimizer.lr < 1e-6


@pytest.mark.parametrize("labels", [[0, 1], ["no", "yes"]])
def test_rows_set_apart_are_stratified(labels: list[Any]) -> None:
    X = [[1, 2], [2, 3], [3, 4], [4, 5]]
    y = [labels[place] for place in (0, 0, 0, 1)]
    with pytest.raises(ValueError, match=r"least populated class.*1 member") as caught:
        ours.MLPClassifier(early_stopping=True).fit(X, y)
    if "too few members" in str(caught.value):  # newer ones of scikit-learn name the class
        assert f"{labels[1]!r}" in str(caught.value).replace("'1'", "1")
