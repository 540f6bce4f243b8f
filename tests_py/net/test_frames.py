"""Frames with columns that hold no numbers, and labels that are none: one door, one sentence."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import refused

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer:UserWarning")

DAY = datetime.date(2020, 1, 1)
NOON = datetime.datetime(2020, 1, 1, 12)
COLUMNS: dict[str, list[Any]] = {
    "days": [DAY] * 4,
    "times": [NOON] * 4,
    "spans": [datetime.timedelta(days=1)] * 4,
    "hours": [datetime.time(1)] * 4,
    "texts": list("abab"),
    "bytes": [b"a"] * 4,
}
LIBRARIES = ("pandas", "polars", "pyarrow")


def frame(library: str, **columns: Any) -> Any:
    module = pytest.importorskip(library)
    return module.table(columns) if library == "pyarrow" else module.DataFrame(columns)


def doors(X: Any) -> dict[str, Callable[[], Any]]:
    """All ways in for X, (4, 2)."""
    y, net = np.array([0, 1, 0, 1]), sb.Network([2, 2], loss="cross_entropy", seed=0)
    good = np.arange(8.0).reshape(4, 2)
    ways: dict[str, Callable[[], Any]] = {
        "forward": lambda: net.forward(X),
        "predict": lambda: net.predict(X),
        "evaluate": lambda: net.evaluate(X, y),
        "fit": lambda: net.fit(X, y, progress=False),
        "validation": lambda: net.fit(good, y, validation_data=(X, y), progress=False),
        "pieces": lambda: net.fit([(X, y)], progress=False),
        "input_gradient": lambda: net.input_gradient(X, y),
    }
    models = pytest.importorskip("sklearn") and pytest.importorskip("swiftbackprop.sklearn")
    make = {"hidden_layer_sizes": (2,), "max_iter": 1, "random_state": 0}
    for kind in (models.MLPClassifier, models.MLPRegressor):
        name = kind.__name__
        model = kind(**make)
        ways[f"{name}.fit"] = lambda model=model: model.fit(X, y)
        ways[f"{name}.validation"] = lambda kind=kind: kind(**make, validation_data=(X, y)).fit(
            good, y
        )
        ways[f"{name}.predict"] = lambda model=model: (
            model.__class__(**make).fit(good, y).predict(X)
        )
    return ways


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("kind", COLUMNS)
def test_every_door_names_the_column_that_holds_no_numbers(library: str, kind: str) -> None:
    """NumPy would make days since 1970 of dates beside numbers."""
    X = frame(library, d=COLUMNS[kind], f=[0.0, 1.0, 2.0, 3.0])
    for door, call in doors(X).items():
        name = "X of validation_data" if "validation" in door else "X"
        message = refused(call, TypeError, f"column 'd' of {name} holds", "expected real numbers")
        assert not message.endswith(" "), door


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("kind", COLUMNS)
def test_a_column_alone_is_refused_alike(library: str, kind: str) -> None:
    net = sb.Network([1, 2], seed=0)
    refused(lambda: net.predict(frame(library, d=COLUMNS[kind])), TypeError, "column 'd' of X")


def test_columns_of_pandas_own() -> None:
    pd = pytest.importorskip("pandas")
    bad = {
        "periods": pd.period_range("2020", periods=4),
        "zoned": pd.to_datetime([DAY] * 4).tz_localize("UTC"),
        "intervals": pd.interval_range(0, 4),
        "categories": pd.Categorical(list("abab")),
        "complex": [1j] * 4,
        "mixed": [1, "a", 2, None],
    }
    for name, values in bad.items():
        X = pd.DataFrame({"d": values, "f": range(4)})
        for call in doors(X).values():
            refused(call, TypeError, "column 'd' of", "expected real numbers")
        assert name
    X = pd.DataFrame({"d": pd.Categorical([3, 1, 3, 1]), "f": range(4)})
    net = sb.Network([2, 2], seed=0)
    np.testing.assert_array_equal(
        net.predict(X), net.predict(np.array([[3, 0], [1, 1], [3, 2], [1, 3]]))
    )
    twice = pd.DataFrame([[0.0, "a"]] * 4, columns=["d", "d"])
    refused(lambda: net.predict(twice), TypeError, "column 'd' of X")


def test_numbers_of_every_kind_are_read() -> None:
    wanted = np.array([[1, 1], [0, 2], [1, 3], [1, 4]], float)
    net = sb.Network([2, 2], dtype="float64", seed=0)
    for library in ("polars", "pyarrow"):
        X = frame(library, b=[True, False, True, True], n=[decimal.Decimal(k) for k in range(1, 5)])
        np.testing.assert_array_equal(net.predict(X), net.predict(wanted))
    holes = frame("pyarrow", b=[True, None, True, True], n=[1, 2, 3, 4])
    refused(lambda: net.predict(holes), ValueError, "NaN", "row 1")
    lazy = frame("polars", b=[1.0], n=[1.0]).lazy()
    refused(lambda: net.predict(lazy), TypeError, "collect")


CELLS: dict[Any, str] = {
    None: r"got None in row 2, column 1: .*drop the row",
    "1,5": r"got '1,5' \(str\) in row 2, column 1: encode it as numbers",
    decimal.Decimal("1.5"): r"\(Decimal\) in row 2, column 1: convert it",
    DAY: r"\(date\) in row 2, column 1: take the difference",
}


@pytest.mark.parametrize("cell", CELLS)
def test_cells_that_are_no_numbers_are_named(cell: Any) -> None:
    """In an array of Python objects, and in a list, of which NumPy may make text."""
    X: Any = [[0.0, 1], [2.0, 3], [4.0, cell], [5.0, cell]]
    net = sb.Network([2, 2], loss="cross_entropy", seed=0)
    for given in (X, np.array(X, object), [np.array(row, object) for row in X]):
        for call in (lambda given=given: net.predict(given),
                     lambda given=given: net.fit(given, [0, 1, 1, 0], progress=False)):  # fmt: skip
            refused(call, TypeError, "X: expected real numbers", CELLS[cell])
    refused(
        lambda: net.evaluate(np.ones((4, 2)), [0] * 4, sample_weight=[1, 2, cell, 3]),
        TypeError, "sample_weight: expected", "in row 2: ",
    )  # fmt: skip


@pytest.mark.parametrize("library", LIBRARIES)
def test_numbers_that_miss_in_a_frame_are_named(library: str) -> None:
    X, net = frame(library, a=[1.0, 2.0, 3.0], b=[1, 2, None]), sb.Network([2, 2], seed=0)
    refused(lambda: net.predict(X), ValueError, "X contains NaN", "row 2, column 1$")
    if library == "pandas":
        refused(lambda: net.predict(X.convert_dtypes()), ValueError, "NaN", "row 2, column 1$")


@pytest.mark.parametrize(
    ("y", "kind", "patterns"),
    [
        (["a", None, "b", "a"], ValueError, ["None in row 1"]),
        (["a", float("nan"), "b", "a"], ValueError, ["nan in row 1"]),
        (["a", 1, "b", "a"], TypeError, ["one type", "int", "row 1"]),
        ([0, None, 1, 0], ValueError, ["None in row 1"]),
        (np.array(["a", "b", 2.5, "a"], object), TypeError, ["float", "row 2"]),
    ],
)
def test_labels_that_miss_or_mix(y: Any, kind: type[Exception], patterns: list[str]) -> None:
    X = np.arange(8.0).reshape(4, 2)
    models = pytest.importorskip("sklearn") and pytest.importorskip("swiftbackprop.sklearn")
    refused(lambda: models.MLPClassifier((2,), max_iter=1).fit(X, y), kind, *patterns)
    good = [0, 1, 0, 1]
    held = models.MLPClassifier((2,), max_iter=1, validation_data=(X, y))
    refused(lambda: held.fit(X, good), kind, "y of validation_data", *patterns)


def test_targets_of_the_regressor() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    models = pytest.importorskip("sklearn") and pytest.importorskip("swiftbackprop.sklearn")
    X, model = np.arange(8.0).reshape(4, 2), models.MLPRegressor((2,), max_iter=1)
    refused(lambda: model.fit(X, sparse.csr_matrix(np.eye(4))), TypeError, "y", "toarray")
    refused(lambda: model.fit(X, [1.0, None, 2.0, 3.0]), ValueError, "None in row 1")
    days = frame("pandas", when=[NOON] * 4)
    refused(lambda: model.fit(X, days), TypeError, "column 'when' of y")
    refused(lambda: model.fit(X, days["when"]), TypeError, "y holds datetime64")


@pytest.mark.parametrize("other", [256, -1, 2, 0.5])
@pytest.mark.parametrize("is_sparse", [False, True])
def test_label_matrices_of_other_numbers(other: float, is_sparse: bool) -> None:
    """256 became 0 and -1 became 255 where they were cast first."""
    sparse = pytest.importorskip("scipy.sparse")
    models = pytest.importorskip("sklearn") and pytest.importorskip("swiftbackprop.sklearn")
    X, Y = np.arange(8.0).reshape(4, 2), np.array([[0, 1], [1, 0], [1, 1], [0, 0]]) * other
    Y = Y.astype(int) if other == int(other) else Y
    given = sparse.csr_matrix(Y) if is_sparse else Y
    if other in (256, -1, 2):
        refused(
            lambda: models.MLPClassifier((2,), max_iter=1).fit(X, given), ValueError,
            "0 or 1", rf"row 0 has {other}",
        )  # fmt: skip
    net = sb.Network([2, 2], loss="binary_cross_entropy", seed=0)
    if other != 0.5:
        refused(lambda: net.fit(X, Y, epochs=1, progress=False), ValueError, "row 0", str(other))


def test_a_sparse_matrix_is_told_how_to_become_an_array() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    net = sb.Network([2, 1], seed=0)
    refused(lambda: net.predict(sparse.csr_matrix(np.eye(2))), TypeError, r"write X\.toarray\(\)")


@pytest.mark.parametrize("library", LIBRARIES)
def test_one_column_of_targets_is_one_target_a_row(library: str) -> None:
    X, y = np.arange(8.0).reshape(4, 2), np.array([0, 1, 1, 0])
    expected = sb.Network([2, 2], loss="cross_entropy", seed=0)
    expected.fit(X, y, epochs=1, progress=False)
    net = sb.Network([2, 2], loss="cross_entropy", seed=0)
    net.fit(X, frame(library, t=y), epochs=1, validation_data=(X, frame(library, t=y)), verbose=0)
    np.testing.assert_array_equal(net.parameters, expected.parameters)
    assert net.evaluate(X, frame(library, t=y)) == net.evaluate(X, y)
    numbers = sb.Network([2, 1], seed=0)
    assert numbers.evaluate(X, frame(library, t=y / 2)) == numbers.evaluate(X, y / 2)
    refused(lambda: net.fit(X, y[:, None], progress=False), ValueError, r"write y\.ravel\(\)")


def test_whole_numbers_in_objects_become_integers() -> None:
    net = sb.Network([2, 2], loss="cross_entropy", seed=0)
    X, y = np.arange(8.0).reshape(4, 2), np.array([0, 1, 1, 0])
    refused(lambda: net.fit(X, y.astype(object)), TypeError, r"\.astype\(int\)$")
    refused(lambda: net.fit(X.astype(object), y), TypeError, r"\.astype\('float32'\)$")
