"""Labels of text in a network, probabilities and scores, and rows set apart by class."""

from __future__ import annotations

import copy
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import refused, run_python_ok
from swiftbackprop.lab import _timing

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
NUMBERS = np.arange(60) % 3
NAMES = np.array(["ash", "beech", "cedar"])
TREES = NAMES[NUMBERS]


def network(outputs: int = 3, **keywords: Any) -> sb.Network:
    loss = keywords.pop("loss", "cross_entropy" if outputs > 1 else "binary_cross_entropy")
    return sb.Network([3, 5, outputs], loss=loss, dtype="float64", seed=0, **keywords)


def of_kind(kind: str) -> Any:
    if kind == "list":
        return TREES.tolist()
    if kind == "column":
        return TREES[:, None]
    if kind == "objects":
        return TREES.astype(object)
    module = pytest.importorskip(kind.partition(" ")[0])
    if kind == "pandas":
        return module.Series(TREES)
    if kind == "pandas categories":
        return module.Series(module.Categorical(TREES, categories=["cedar", "beech", "ash"]))
    if kind == "polars":
        return module.Series(TREES.tolist())
    return module.chunked_array([TREES.tolist()])


@pytest.mark.parametrize(
    "kind", ["list", "column", "objects", "pandas", "pandas categories", "polars", "pyarrow"]
)
def test_labels_are_numbers_to_the_network(kind: str) -> None:
    y, w = of_kind(kind), {"ash": 2.0, "cedar": 0.5}
    named, numbered = network(), network()
    one = named.fit(
        X, y, epochs=3, validation_data=(X, y), class_weight=w, metrics=["top_2"], verbose=0
    )
    two = numbered.fit(
        X, NUMBERS, epochs=3, validation_data=(X, NUMBERS), class_weight={0: 2.0, 2: 0.5},
        metrics=["top_2"], progress=False,
    )  # fmt: skip
    np.testing.assert_array_equal(named.parameters, numbered.parameters)
    assert {n: c for n, c in one.items() if n != "seconds"} == {
        n: c for n, c in two.items() if n != "seconds"
    }
    assert named.classes_ is not None
    assert numbered.classes_ is None
    assert named.classes_.tolist() == NAMES.tolist()
    found = named.predict_classes(X)
    assert found.tolist() == NAMES[numbered.predict_classes(X)].tolist()
    assert named.evaluate(X, y, metrics=["top_2"]) == numbered.evaluate(
        X, NUMBERS, metrics=["top_2"]
    )
    assert named.score(X, y) == np.mean(found == TREES)
    named.forward(X)
    numbered.forward(X)
    assert named.backward(y) == numbered.backward(NUMBERS)
    np.testing.assert_array_equal(named.gradient_norms(X, y), numbered.gradient_norms(X, NUMBERS))


def test_labels_survive_copies_and_files(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    net = network()
    net.fit(X, TREES, epochs=1, progress=False)
    net.save(tmp_path / "net.safetensors")
    others = [
        net.copy(), copy.deepcopy(net), pickle.loads(pickle.dumps(net)),
        sb.load(tmp_path / "net.safetensors"),
    ]  # fmt: skip
    for other in others:
        assert other.predict_classes(X).tolist() == net.predict_classes(X).tolist()
    net.reset(0)
    assert net.classes_ is None


def test_two_labels_with_one_output_and_with_two() -> None:
    y = np.where(X[:, 0] > 0, "yes", "no")
    for outputs in (1, 2):
        net = network(outputs, optimizer=sb.Adam(0.05))
        net.fit(X, y, epochs=60, progress=False)
        assert net.score(X, y) > 0.9
        proba = net.predict_proba(X)
        assert proba.shape == (60, 2)
        np.testing.assert_allclose(proba.sum(axis=1), 1)
        chosen = np.array(["no", "yes"])[proba.argmax(axis=1)]
        assert chosen.tolist() == net.predict_classes(X).tolist()


def test_labels_in_pieces_and_with_a_loss_of_ones_own() -> None:
    shards = [(X[k : k + 20], TREES[k : k + 20]) for k in (0, 20, 40)]
    net = network()
    refused(lambda: net.fit(shards, progress=False), ValueError, "net.classes_")
    net.classes_ = NAMES
    net.fit(shards, epochs=2, validation_data=(X, TREES), progress=False)
    assert set(net.predict_classes(X)) <= set(NAMES)
    loss = sb.CustomLoss(
        lambda a, t: ((a - t) ** 2).sum(axis=1), lambda a, t: 2 * (a - t), name="squares"
    )
    own = network(loss=loss)
    own.fit(X, TREES, epochs=2, validation_data=(X, TREES), progress=False)
    own.forward(X)
    assert own.backward(TREES) > 0
    assert set(own.predict_classes(X)) <= set(NAMES)


def test_labels_that_do_not_fit() -> None:
    net = network()
    refused(lambda: net.fit(X, np.where(NUMBERS, "a", "b"), verbose=0), ValueError, "2 labels")
    refused(lambda: net.evaluate(X, TREES), ValueError, "has no classes_ yet")
    assert net.classes_ is None
    late = (X, np.where(NUMBERS, "oak", "ash"))
    refused(
        lambda: net.fit(X, TREES, validation_data=late, progress=False), ValueError,
        "y of validation_data", "'oak' in row 1", "'ash', 'beech', 'cedar'",
    )  # fmt: skip
    assert net.classes_ is None  # nothing was parameters_and_buffers
    net.fit(X, TREES, epochs=1, progress=False)
    for call in (
        lambda: net.fit(X, late[1], progress=False),
        lambda: net.evaluate(*late),
        lambda: net.score(*late),
        lambda: net.fit([late], progress=False),
        lambda: net.fit(X, TREES, class_weight={"oak": 2.0}, progress=False),
    ):
        refused(call, ValueError, "'oak'", "'ash', 'beech', 'cedar'")
    refused(lambda: net.fit(X, TREES[:, None].repeat(2, 1), verbose=0), ValueError, r"\(60, 2\)")
    refused(lambda: net.fit(X, ["a", None] * 30, verbose=0), ValueError, "None in row 1")
    refused(lambda: net.fit(X, ["a", 1] * 30, verbose=0), TypeError, "one type", "row 1")
    refused(lambda: network(1).fit(X, ["a"] * 60, verbose=0), ValueError, "1 labels? of text")
    numbers = sb.Network([3, 1], seed=0)
    refused(lambda: numbers.fit(X, ["1.5", "2"] * 30, verbose=0), ValueError, "squared_error")
    with pytest.raises(TypeError, match="labels of classes must be text"):
        net.classes_ = [1, 2, 3]  # type: ignore[list-item]


def test_scores_and_probabilities_are_scikit_learns() -> None:
    sk = pytest.importorskip("sklearn.metrics")
    net, w = network(), RNG.uniform(size=60)
    found = net.predict_classes(X)
    wanted = sk.accuracy_score(NUMBERS, found, sample_weight=w)
    assert net.score(X, NUMBERS, w) == pytest.approx(wanted)
    np.testing.assert_array_equal(net.predict_proba(X), net.predict(X))
    line = sb.Network([3, 1], dtype="float64", seed=0)
    assert line.score(X, X[:, 0]) == pytest.approx(sk.r2_score(X[:, 0], line.predict(X)[:, 0]))
    refused(lambda: line.predict_proba(X), ValueError, "identity", "'sigmoid' or 'softmax'")


@pytest.mark.parametrize("verbose", [0, 1, 2, False, True, "auto"])
def test_verbose_is_another_word_for_progress(verbose: Any, capfd: Any) -> None:
    network().fit(X, NUMBERS, epochs=1, verbose=verbose)
    refused(lambda: network().fit(X, NUMBERS, verbose="loud"), ValueError, "verbose", "'loud'")


def test_a_warning_needs_no_line_of_python_that_called() -> None:
    """Another language may call the package by itself, as a bare thread does."""
    said = run_python_ok(
        """
        import _thread, time
        import numpy as np
        import swiftbackprop as sb

        net = sb.Network([1, 2], loss="cross_entropy")
        given = {"epochs": 1, "validation_split": 0.5, "progress": False}
        _thread.start_new_thread(net.fit, (np.ones((4, 1)), np.array([0, 0, 1, 1])), given)
        for _ in range(1000):
            if net.history is not None and net.history.epochs:
                break
            time.sleep(0.01)
        print(net.history.epochs)
        """
    )
    assert said.strip() == "1"


def test_sorted_rows_are_split_by_class_or_warned_of() -> None:
    order = np.argsort(NUMBERS, kind="stable")
    net = network()
    for y in (NUMBERS[order], np.eye(3)[NUMBERS[order]], TREES[order]):
        net.reset(0)
        with pytest.warns(UserWarning, match=r"class (2|cedar) is among.*stratify=True") as caught:
            net.fit(X[order], y, epochs=1, validation_split=0.34, progress=False)
        assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net.reset(0)
        net.fit(X, NUMBERS, epochs=1, validation_split=0.34, progress=False)
        net.reset(0)
        rare = np.where(np.arange(60) == 59, 2, np.arange(60) % 2)  # 2 is rare
        net.fit(X, rare, epochs=1, validation_split=0.34, progress=False)
        net.reset(0)
        split = net.fit(
            X[order], NUMBERS[order], epochs=2, validation_split=0.25, stratify=True,
            progress=False,
        )  # fmt: skip
        held = np.concatenate([order[20 * k + 15 : 20 * k + 20] for k in range(3)])
        kept = np.concatenate([order[20 * k : 20 * k + 15] for k in range(3)])
        twin = network()
        data = (X[held], NUMBERS[held])
        wanted = twin.fit(X[kept], NUMBERS[kept], epochs=2, validation_data=data, progress=False)
    np.testing.assert_array_equal(net.parameters, twin.parameters)
    assert split["val_loss"] == wanted["val_loss"]
    refused(lambda: net.fit(X, NUMBERS, stratify=True, verbose=0), ValueError, "validation_split")
    line = sb.Network([3, 1], seed=0)
    refused(
        lambda: line.fit(X, X[:, 0], validation_split=0.2, stratify=True, verbose=0),
        ValueError, "class numbers",
    )  # fmt: skip


def test_weights_that_are_all_zero_have_no_mean() -> None:
    """They made a loss of 0, which early stopping took for the best."""
    net, none, some = network(), np.zeros(60), np.ones(60)
    start = net.parameters.copy()
    pieces = [(X, NUMBERS)]
    for call in (
        lambda: net.evaluate(X, NUMBERS, sample_weight=none),
        lambda: net.score(X, NUMBERS, none),
        lambda: net.fit(X, NUMBERS, validation_data=(X, NUMBERS, none), verbose=0),
        lambda: net.fit(pieces, validation_data=(X, NUMBERS, none), verbose=0),
        lambda: net.fit(
            X, NUMBERS, validation_data=(X[:1], NUMBERS[:1]), class_weight={0: 0.0}, verbose=0
        ),
        lambda: net.fit(
            X, NUMBERS, sample_weight=some * (np.arange(60) < 30), validation_split=0.5, verbose=0
        ),
        lambda: sb.metrics.mse(NUMBERS, net.predict(X), none),
        lambda: sb.metrics.accuracy(NUMBERS, net.predict(X), none),
        lambda: sb.metrics.r2(NUMBERS, net.predict(X), none),
    ):
        refused(call, ValueError, "0 in every row")
    np.testing.assert_array_equal(net.parameters, start)


STUDIES: dict[str, Any] = {
    "health": lambda net, y: net.health(X, y).layers,
    "trace": lambda net, y: str(net.trace(X, y)),
    "gradcheck": lambda net, y: net.gradcheck(X, y).checks,
    "check_backward": lambda net, y: str(sb.lab.check_backward(backward, net, X, y).findings),
    "compare": lambda net, y: len(sb.lab.compare(net, X, y, repeats=1).rows),
}


def backward(net: sb.Network, X: Any, y: Any) -> dict[str, Any]:
    """Return some gradients, as a student would write them, of class numbers."""
    last = net.layer(2)
    grad_z = (last.a - np.eye(3)[y]) / len(X)
    return {"grad_z": [None, grad_z], "grad_W": [None, grad_z.T @ net.layer(1).a]}


@pytest.mark.parametrize("name", list(STUDIES))
def test_what_studies_a_network_reads_its_labels(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_timing, "PEAK_SIZE", 64)
    net = network()
    refused(lambda: STUDIES[name](net, TREES), ValueError, "set net.classes_")
    net.classes_ = NAMES
    assert STUDIES[name](net, TREES) == STUDIES[name](net, NUMBERS)


def test_health_of_labels_during_their_first_training() -> None:
    check, numbered = sb.HealthCheck(X, TREES.tolist()), sb.HealthCheck(X, NUMBERS)
    network().fit(X, TREES, epochs=2, callbacks=[check], progress=False)
    network().fit(X, NUMBERS, epochs=2, callbacks=[numbered], progress=False)
    assert [r.layers for r in check.reports] == [r.layers for r in numbered.reports]


def test_the_plane_between_labels() -> None:
    pytest.importorskip("matplotlib")
    net = sb.Network([2, 5, 3], loss="cross_entropy", seed=0)
    net.classes_ = NAMES
    named, numbered = (
        [
            each.get_offsets().tolist()
            for each in sb.lab.decision_boundary(net, X[:, :2], y).collections
        ]
        for y in (TREES, NUMBERS)
    )
    assert named == numbered


def test_labels_without_rows() -> None:
    net, none = network(), np.array([], str)
    for call in (net.evaluate, net.fit, net.score):
        refused(
            lambda call=call: call(X[:0], none),
            ValueError,
            "X: expected at least one row, got shape .0, 3.",
        )
        refused(lambda call=call: call(X, none), ValueError, "y: .* got .0,.")
    assert net.classes_ is None
    with pytest.raises(TypeError, match="classes_ must be a list of labels, got 3 "):
        net.classes_ = 3  # type: ignore[assignment]


def test_a_missing_class_number_is_named() -> None:
    pandas = pytest.importorskip("pandas")
    with_hole = pandas.Series(NUMBERS, dtype="Int64")
    with_hole[4] = pandas.NA
    for y in (with_hole, with_hole.astype(float).to_numpy()):
        for call in (network().fit, network().evaluate):
            refused(lambda call=call, y=y: call(X, y), ValueError, "y has nan in row 4")


def test_labels_as_strings_of_any_length() -> None:
    dtypes = pytest.importorskip("numpy.dtypes", reason="NumPy 2 has these strings")
    if not hasattr(dtypes, "StringDType"):
        return
    net, kind = network(), dtypes.StringDType(na_object=None)
    net.fit(X, TREES.astype(kind), epochs=1, progress=False)
    assert net.classes_ is not None
    assert net.classes_.tolist() == NAMES.tolist()
    labels = TREES.astype(kind)
    labels[7] = None
    refused(lambda: net.evaluate(X, labels), ValueError, "y has None in row 7")


def test_labels_of_text_for_a_loss_of_numbers() -> None:
    net = network(1, loss="squared_error")
    refused(
        lambda: net.fit(X, np.where(TREES == "ash", "a", "b")), ValueError,
        "y has labels of text for squared_error with one output, which learns numbers",
    )  # fmt: skip
