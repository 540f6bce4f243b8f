"""The engine as WebAssembly, in a browser: the numbers are those of the installed package."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

import swiftbackprop as sb
from serving import served

# Makes a network, takes `steps` steps on all rows, and trains a copy by the engine's fit.
TRAIN = """async ({sizes, activations, loss, optimizer, seed, x, y, steps, fit}) => {
    const {load, Network} = await import("play/engine.js");
    const {file} = await import("play/files.js");
    const engine = await load(file);
    const inits = Object.fromEntries(
        engine.rules(0).map(rule => [rule.name, rule.defaultInitializer]));
    const net = new Network(engine, {
        sizes, seed, loss: {name: loss}, optimizer: {name: optimizer},
        activations: activations.map(name => ({name})),
        initializers: activations.map(name => ({name: inits[name]})),
    });
    const numbers = (net) => sizes.slice(1).flatMap((_, k) => ["W", "b"].flatMap(what => {
        const {data} = net.view(what, k + 1);
        return Array.from(data);
    }));
    const first = numbers(net);
    const rows = x.length / sizes[0];
    const [X, Y] = [engine.matrix(rows, sizes[0], x), engine.matrix(rows, sizes.at(-1), y)];
    const trained = net.copy();
    const losses = [];
    for (let k = 0; k < steps; k++) {
        net.forward(X);
        losses.push(net.backward(Y));
        net.step();
    }
    const gradients = sizes.slice(1).flatMap((_, k) =>
        ["grad_z", "grad_a", "z", "a"].flatMap(what => Array.from(net.view(what, k + 1).data)));
    trained.fit(X, Y, fit);
    return {first, losses, last: numbers(net), gradients, fitted: numbers(trained)};
}"""
STEPS, EPOCHS, BATCH = 100, 5, 17
NETS: list[dict[str, Any]] = [
    {"sizes": [2, 16, 16, 2], "activation": "relu", "loss": "cross_entropy", "optimizer": "adam"},
    {"sizes": [3, 7, 5, 4], "activation": "tanh", "loss": "squared_error", "optimizer": "sgd"},
    {
        "sizes": [64, 30, 10],
        "activation": "gelu",
        "loss": "cross_entropy",
        "optimizer": "rmsprop",
    },
    {"sizes": [2, 4, 1], "activation": "sigmoid", "loss": "huber", "optimizer": "nesterov"},
]


def numbers(net: sb.Network) -> np.ndarray:
    """W and b of all layers, as they lie in the engine's memory."""
    return np.concatenate([part for r in net.layers for part in (r.W.T.ravel(), r.b)])


def near(got: list[float], expected: np.ndarray) -> None:
    """Equal but for the order of sums in float32."""
    scale = max(1e-3, float(np.abs(expected).max()))
    np.testing.assert_allclose(np.array(got), expected, rtol=1e-5, atol=1e-5 * scale)


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    with served() as address:
        page = browser.new_page()
        page.goto(address)
        yield page
        page.close()


def trained(
    X: np.ndarray, y: np.ndarray, dtype: str, method: str, options: dict[str, Any]
) -> np.ndarray:
    """The numbers of a network after steps of its own and, from the same start, after fit."""
    single = sb.Network(**options, seed=5)
    nets = [sb.Network(**options, seed=5, dtype=dtype) for _ in range(2)]
    for net in nets:
        net.parameters[...] = single.parameters
    for _ in range(STEPS):
        nets[0].forward(X.astype(dtype), method=method)
        nets[0].backward(y.astype(dtype), method=method)
        nets[0].step()
    nets[1].fit(X, y, epochs=EPOCHS, batch_size=BATCH, verbose=0)
    return np.concatenate([numbers(net) for net in nets])


def data_for(options: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """X and y with which float32 is near float64, in whatever order sums are made.

    With others Adam and RMSprop take a gradient that is nothing but rounding for a direction, or a
    unit of relu is at its kink: then the order of a sum decides, here as in the browser.
    """
    sizes = options["sizes"]
    for seed in range(20):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(50, sizes[0])).astype(np.float32)
        y = rng.uniform(size=(50, sizes[-1])).astype(np.float32)
        if options["loss"] == "cross_entropy":
            y = np.eye(sizes[-1], dtype=np.float32)[rng.integers(sizes[-1], size=50)]
        double = trained(X, y, "float64", "matrices", options)
        single = [trained(X, y, "float32", method, options) for method in ("matrices", "loops")]
        if np.abs(single - double).max() < 2e-6 * np.abs(double).max():
            return X, y
    raise AssertionError("float32 is never near float64")


@pytest.mark.parametrize("options", NETS, ids=lambda o: "-".join(map(str, o["sizes"])))
def test_the_numbers_are_the_native_ones(page: Page, options: dict[str, Any]) -> None:
    sizes = options["sizes"]
    X, y = data_for(options)
    nets = [sb.Network(**options, seed=5) for _ in range(2)]
    got = page.evaluate(
        TRAIN,
        {
            "sizes": sizes,
            "activations": [layer.activation.name for layer in nets[0].layers],
            "loss": options["loss"],
            "optimizer": options["optimizer"],
            "seed": 5,
            "x": X.ravel().tolist(),
            "y": y.ravel().tolist(),
            "steps": STEPS,
            "fit": {"epochs": EPOCHS, "batchSize": BATCH},
        },
    )
    assert np.array_equal(np.array(got["first"], np.float32), numbers(nets[0]))
    losses = []
    for _ in range(STEPS):
        nets[0].forward(X)
        losses.append(nets[0].backward(y))
        nets[0].step()
    near(got["losses"], np.array(losses))
    near(got["last"], numbers(nets[0]))
    quantities = [
        value.ravel()
        for layer in nets[0].layers
        for value in (layer.grad_z, layer.grad_a, layer.z, layer.a)
    ]
    near(got["gradients"], np.concatenate(quantities))
    nets[1].fit(X, y, epochs=EPOCHS, batch_size=BATCH, verbose=0)
    near(got["fitted"], numbers(nets[1]))


def test_the_lists_of_rules_are_the_engine_s(page: Page) -> None:
    got = page.evaluate(
        """async () => {
            const {load} = await import("play/engine.js");
            const {file} = await import("play/files.js");
            const engine = await load(file);
            return [0, 1, 2].map(kind => engine.rules(kind).map(rule => rule.name));
        }"""
    )
    native = [list(map(str, names)) for names in (sb.activations(), sb.losses(), sb.optimizers())]
    assert [sorted(names) for names in got] == [sorted(names) for names in native]


def test_closed_models_leave_no_memory_behind(page: Page) -> None:
    sizes = page.evaluate(
        """async () => {
            const {load} = await import("play/engine.js");
            const {file} = await import("play/files.js");
            const {Model} = await import("play/model.js");
            const {Plane} = await import("play/draw.js");
            const {dataset} = await import("play/data.js");
            const engine = await load(file);
            const data = await dataset("spirals", {count: 500, noise: 0.1});
            const spec = {
                hidden: [{units: 32, activation: "tanh"}], output: "softmax", seed: 1, batch: 50,
                loss: {name: "cross_entropy"}, optimizer: {name: "adam"},
            };
            const sizes = [];
            for (let k = 0; k < 60; k++) {
                const model = new Model(engine, data, spec);
                const plane = new Plane(model);
                model.train(1000, 12);
                model.net.view("z", 1);
                model.look([0, 1], [1, 0]);
                plane.close();
                model.close();
                if (k % 20 === 19) sizes.push(engine.memory.buffer.byteLength);
            }
            return sizes;
        }"""
    )
    assert sizes[1] == sizes[2], sizes
