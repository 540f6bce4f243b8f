"""Words of other libraries: every hint says what they are called here, and what it says works."""

from __future__ import annotations

from collections.abc import Callable
from inspect import ismethod, signature
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import refused
from swiftbackprop._net import names
from swiftbackprop._net.advice import ADVICE
from swiftbackprop._net.other_words import OTHER_LIBRARIES
from swiftbackprop._net.spec import PRECISIONS
from swiftbackprop.lab._returned import QUANTITIES

X = np.random.default_rng(0).normal(size=(12, 3))
Y = np.arange(12) % 2


def network(**keywords: Any) -> sb.Network:
    return sb.Network([3, 4, 2], loss="cross_entropy", seed=0, **keywords)


def fit(**keywords: Any) -> Callable[[], Any]:
    return lambda: network().fit(X, Y, progress=False, **keywords)


def estimator(**keywords: Any) -> Any:
    return pytest.importorskip("swiftbackprop.sklearn").MLPClassifier(**keywords)


HINTS: dict[str, tuple[Callable[[], Any], type[Exception], list[str]]] = {
    "a metric": (lambda: network().evaluate(X, Y, metrics=["acc"]), ValueError, ["'accuracy'"]),
    "a score": (lambda: network().evaluate(X, Y, metrics=["roc_auc"]), ValueError, ["'auc'"]),
    "a loss": (lambda: sb.Network([2, 1], loss="MSE"), ValueError, ["'squared_error'"]),
    "epochs of old": (fit(nb_epoch=3), TypeError, ["Network.fit", "'nb_epoch'", "'epochs'"]),
    "epochs elsewhere": (fit(max_iter=3), TypeError, ["'epochs'"]),
    "the rate": (fit(lr=0.1), TypeError, [r"sb\.Adam\(lr=", r"net\.optimizer\.lr"]),
    "the long rate": (fit(learning_rate=0.1), TypeError, [r"sb\.Adam\(lr="]),
    "weights": (fit(sample_weights=Y), TypeError, ["'sample_weight'"]),
    "patience": (fit(patience=3), TypeError, ["EarlyStopping"]),
    "a typing error": (fit(epoch=3), TypeError, ["'epochs'"]),
    "no word at all": (fit(xyzzy=3), TypeError, ["unexpected keyword argument 'xyzzy'$"]),
    "rows of a prediction": (
        lambda: network().predict(X, batch_size=8),  # type: ignore[call-arg]
        TypeError,
        [r"^Network\.predict\(\) got an unexpected", "the rows in blocks"],
    ),
    "a silent prediction": (
        lambda: network().predict(X, verbose=0),  # type: ignore[call-arg]
        TypeError,
        ["only fit shows progress"],
    ),
    "a silent evaluation": (
        lambda: network().evaluate(X, Y, verbose=0),  # type: ignore[call-arg]
        TypeError,
        [r"^Network\.evaluate\(\) got", "only fit shows progress"],
    ),
    "weights of a step": (
        lambda: network().backward(Y, sample_weights=Y),  # type: ignore[call-arg]
        TypeError,
        ["it is called 'sample_weight' here"],
    ),
    "nothing at all": (
        lambda: network().predict(),  # type: ignore[call-arg]
        TypeError,
        [r"Network\.predict\(\) missing 1 required positional argument: 'X'"],
    ),
    "twice": (
        lambda: network().predict(X, X=X),  # type: ignore[misc]
        TypeError,
        ["multiple values for argument 'X'"],
    ),
    "a network's rate": (
        lambda: network(lr=0.1),
        TypeError,
        [r"^Network\(\) got", r"sb\.Adam\(lr="],
    ),
    "a network's seed": (lambda: sb.Network([2, 1], random_state=0), TypeError, ["'seed'"]),  # type: ignore[call-arg]
    "decay": (lambda: network(weight_decay=0.1), TypeError, [r"sb\.AdamW", "l2="]),
    "momentum": (lambda: sb.SGD(momentum=0.9), TypeError, [r"sb\.Momentum\(momentum="]),  # type: ignore[call-arg]
    "Nesterov": (lambda: sb.SGD(nesterov=True), TypeError, [r"sb\.Nesterov"]),  # type: ignore[call-arg]
    "AdamW": (lambda: sb.Adam(weight_decay=0.1), TypeError, [r"sb\.AdamW\(weight_decay="]),  # type: ignore[call-arg]
    "betas": (lambda: sb.Adam(betas=(0.9, 0.99)), TypeError, ["beta_1 and beta_2"]),  # type: ignore[call-arg]
    "a slope": (lambda: sb.activation("relu", slope=0.1), TypeError, [r'sb\.activation\("leaky_']),
    "compile": (lambda: network().compile(loss="mse"), AttributeError, ["arguments of Network"]),  # type: ignore[attr-defined]
    "coefs_": (lambda: network().coefs_, AttributeError, [r"layer\.W\.T"]),  # type: ignore[attr-defined]
    "zero_grad": (lambda: network().zero_grad(), AttributeError, ["accumulate=True"]),  # type: ignore[attr-defined]
    "a loss of PyTorch's": (
        lambda: sb.Network([2, 1], loss="BCEWithLogitsLoss"),
        ValueError,
        ["'binary_cross_entropy'"],
    ),
    "a loss of Keras'": (
        lambda: sb.Network([2, 1], loss="MeanSquaredError"),
        ValueError,
        ["'squared_error'"],
    ),
    "a loss of one's own": (lambda: sb.Network([2, 1], loss="hinge"), ValueError, ["CustomLoss"]),
    "another function": (lambda: network(activation="selu"), ValueError, ["CustomActivation"]),
    "logits": (lambda: sb.Network([2, 1], output="logits"), ValueError, ["output='identity'"]),
    "L-BFGS": (lambda: network(optimizer="lbfgs"), ValueError, ["solver='lbfgs'"]),
    "bf16": (lambda: network(precision="bf16"), ValueError, ["called 'bfloat16' here"]),
    "mixed": (lambda: network(precision="bf16-mixed"), ValueError, ["called 'bfloat16' here"]),
    "double": (lambda: network(precision="float64"), ValueError, ["dtype='float64'"]),
    "half": (lambda: network(dtype="float16"), ValueError, ['precision="bfloat16"']),
    "rows to validate on": (fit(X_val=X, y_val=Y), TypeError, [r"validation_data=\(X_val, y_val"]),
    "an argument of Network": (fit(dropout=0.5), TypeError, ["it is an argument of Network$"]),
    "the loss in fit": (fit(loss="mse"), TypeError, ["it is an argument of Network$"]),
    "threads": (fit(n_jobs=2), TypeError, [r"sb\.set_num_threads"]),
    "opset": (
        lambda: network().to_onnx("m", opset=11),
        TypeError,  # type: ignore[call-arg]
        [r"^Network\.to_onnx\(\) got", "13"],
    ),
    "the best model": (
        lambda: sb.Checkpoint("m", save_best_only=True),
        TypeError,  # type: ignore[call-arg]
        [r"^Checkpoint\(\) got", "monitor='val_loss'"],
    ),
    "a step": (lambda: sb.schedules.Step(step_size=2), TypeError, [r"^Step\(\) got", "'every'"]),  # type: ignore[call-arg]
    "T_max": (lambda: sb.schedules.Cosine(T_max=2), TypeError, ["'epochs'"]),  # type: ignore[call-arg]
    "an estimator's rate": (
        lambda: estimator(lr=0.1),
        TypeError,
        [r"^MLPClassifier\(\) got", "'learning_rate_init'"],
    ),
    "an estimator's epochs": (lambda: estimator(epochs=3), TypeError, ["'max_iter'"]),
    "a typing error of layers": (
        lambda: estimator(hiden_layer_sizes=3),
        TypeError,
        ["did you mean 'hidden_layer_sizes'"],
    ),
    "an estimator's fit": (
        lambda: estimator().fit(X, Y, class_weight="balanced"),
        TypeError,
        [r"^MLPClassifier\.fit\(\)", "an argument of MLPClassifier$"],
    ),
    "an estimator's validation": (
        lambda: estimator().fit(X, Y, validation_data=(X, Y)),
        TypeError,
        ["X_val="],
    ),
    "an estimator here": (lambda: sb.MLPClassifier, AttributeError, ["from swiftbackprop.sklearn"]),  # type: ignore[attr-defined]
    "a model of Keras": (lambda: sb.Sequential, AttributeError, [r"sb\.Network\(\["]),  # type: ignore[attr-defined]
    "a callback of Keras": (lambda: sb.ModelCheckpoint, AttributeError, ["'Checkpoint'"]),  # type: ignore[attr-defined]
    "training mode": (lambda: network().train(), AttributeError, ["training=True"]),  # type: ignore[attr-defined]
    "an attribute": (lambda: network().optimiser, AttributeError, ["'optimizer'"]),  # type: ignore[attr-defined]
    "a weight": (lambda: network().layers[0].kernel, AttributeError, ["'W'"]),
}


@pytest.mark.parametrize("case", HINTS)
def test_words_of_other_libraries(case: str) -> None:
    call, kind, patterns = HINTS[case]
    refused(call, kind, *patterns)


def test_names_in_a_state_dict_are_those_of_a_sequential() -> None:
    net = network()
    other = dict(zip(["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"],
                     net.state_dict().values(), strict=True))  # fmt: skip
    message = refused(
        lambda: net.load_state_dict(other), ValueError, r"'0\.weight' is W of layer 1"
    )
    assert "dict(zip(net.state_dict(), state.values()))" in message
    twin = sb.Network([3, 4, 2], loss="cross_entropy", seed=1)
    twin.load_state_dict(dict(zip(twin.state_dict(), other.values(), strict=True)))
    np.testing.assert_array_equal(twin.parameters, net.parameters)
    late = {"0.weight": other["fc1.weight"], "0.bias": other["fc1.bias"],
            "fc2.weight": other["fc2.weight"], "2.bias": other["fc2.bias"]}  # fmt: skip
    refused(lambda: net.load_state_dict(late), ValueError, r"'2\.weight' is W of layer 2")


@pytest.mark.parametrize(
    ("module", "name", "own"),
    [
        (sb.schedules, "CosineAnnealingLR", "Cosine"),
        (sb.schedules, "ReduceLROnPlateau", "ReduceOnPlateau"),
        (sb.metrics, "f1_score", "f1"),
    ],
)
def test_modules_know_the_names_of_others(module: Any, name: str, own: str) -> None:
    with pytest.raises(AttributeError, match=rf"no attribute '{name}': it is called '{own}' here$"):
        getattr(module, name)
    with pytest.raises(AttributeError, match=r"no attribute 'nothing_like_it'$"):
        _ = module.nothing_like_it
    assert not hasattr(module, "__wrapped__")


def test_what_the_table_says_is_there() -> None:
    """Every translation is a name of the engine or of the package."""
    net = network()
    known: dict[str, Any] = {
        "activation": sb.activations(),
        "loss": sb.losses(),
        "optimizer": sb.optimizers(),
        "initializer": sb.initializers(),
        "dtype": ["float32", "float64"],
        "precision": PRECISIONS,
        "module": sb.__all__,
        "callback": dir(sb.Callback),
        "schedule": sb.schedules.__all__,
        "metric": [*sb.metrics.__all__, "top_3"],
        "attribute": dir(net),
        "attribute of a layer": dir(net.layers[0]),
        "quantity": QUANTITIES,
        "parameter": {p for o in sb.optimizers() for p in sb.optimizer(o).parameters}
        | {p for a in sb.activations() for p in sb.activation(a).parameters}
        | {p for a in sb.losses() for p in sb.loss(a).parameters},
    }
    models = pytest.importorskip("swiftbackprop.sklearn")
    places = {name: getattr(sb, name) for name in sb.__all__}
    places |= {name: getattr(sb.schedules, name) for name in sb.schedules.__all__}
    places |= {"MLPClassifier": models.MLPClassifier, "NetworkExchange": sb.Network}
    known["stream"] = signature(sb.data.stream).parameters
    for kind in {*OTHER_LIBRARIES, *ADVICE}.difference(known, ("column", "method")):
        place, _, method = kind.partition(".")
        known[kind] = signature(getattr(places[place], method or "__init__")).parameters
    for kind, table in OTHER_LIBRARIES.items():
        for other, own in table.items():
            assert own in known[kind], f"{kind} {other!r} -> {own!r}"
            # A word that is ours as well would never be looked up.
            assert other not in known[kind] or kind == "parameter", f"{kind} {other!r}"
            assert other == names._squash(other, "_"), other
    for kind, sentences in ADVICE.items():
        for other in sentences:
            assert other == names._squash(other, "_"), other
            assert kind == "method" or other not in known[kind], f"{kind} {other!r}"


def test_a_network_is_still_an_ordinary_object() -> None:
    net = network()
    for name in ("_no_such", "__array__", "__dataframe__", "columns"):
        assert not hasattr(net, name), name
    assert net.copy().sizes == net.sizes


def test_what_would_change_nothing_cannot_be_set() -> None:
    net = network()
    for name, words in {
        "lr": r"write net\.optimizer\.lr$",
        "learning_rate": r"write net\.optimizer\.lr$",
        "trainable": "it is of a layer",
        "activation": "an argument of Network, which makes another",
        "loss": "an argument of Network, which makes another",
        "optimizer": r"net\.optimizer\.lr and its other settings can be",
        "dropout_rate": "called 'dropout' here",
        "dropuot": "called 'dropout' here",
        "clipnorm": "called 'clip_norm' here",
    }.items():
        refused(
            lambda name=name: setattr(net, name, 0.5),  # type: ignore[misc]
            AttributeError, f"^{name} cannot be set: .*{words}",
        )  # fmt: skip
    for name in ("dropout", "l2", "clip_norm", "max_norm"):
        setattr(net, name, 0.5)
    net.author = net.run_7 = net.batch_size = "one's own"  # type: ignore[attr-defined]
    net.classes_, net.precision = ["a", "b"], "bf16x3"

    class Own(sb.Network):
        pass

    own = Own([2, 1], seed=0)
    own.lr = 0.5  # type: ignore[attr-defined]
    assert own.lr == 0.5  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", [np.ones((40, 7)), "relu" * 1000])
def test_no_more_than_the_beginning_of_a_name_is_shown(name: Any) -> None:
    calls = (
        lambda: sb.Network([1, 1], dtype=name),
        lambda: sb.Network([2, 3, 1]).diagram(show=name),
        lambda: sb.Network([2, 3, 1], activation=str(name)),
        lambda: sb.Network([2, 3, 1], **{str(name): 1}),  # type: ignore[arg-type]
    )
    for call in calls:
        with pytest.raises((TypeError, ValueError)) as error:
            call()
        assert len(str(error.value)) < 500


def test_errors_of_python_name_the_class_that_users_know() -> None:
    """Whatever part of the package a method is from."""
    net = sb.Network([2, 1], seed=0)
    said = {}
    for name in dir(net):
        method = getattr(net, name, None)
        if name.startswith("_") or not ismethod(method):
            continue
        try:
            method(*range(99))
        except TypeError as error:
            said[name] = str(error)
    assert len(said) > 20
    for name, text in said.items():
        assert text.startswith(f"Network.{name}() takes"), text
