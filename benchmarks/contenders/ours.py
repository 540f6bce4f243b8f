"""The package itself: whole epochs inside `fit`, and step by step from Python."""

import platform

import swiftbackprop as sb
from benchmarks.cases import Case, Floats, Labels, Pairs, data_of, start
from benchmarks.contenders import Contender, Run


class Fit(Contender):
    """Steps inside the engine: `fit` over the minibatches in their order."""

    net: sb.Network

    def __init__(self, threads: int, precision: str = "float32") -> None:
        super().__init__(threads)
        self.precision = precision
        sb.set_num_threads(threads)

    def _network(self, case: Case) -> sb.Network:
        return sb.Network(
            case.sizes,
            activation=case.activation,
            loss="cross_entropy",
            optimizer=sb.optimizer(case.optimizer, lr=case.lr),
            dtype=case.dtype,
            initializer=start(case),
            seed=case.seed,
            precision=self.precision,
        )

    def versions(self) -> dict[str, str]:
        config = sb.config()
        blas = config["blas"]
        return {
            "swiftbackprop": config["swiftbackprop"],
            "Python": platform.python_version(),
            "engine level": config["engine"]["level"],
            "bfloat16 of swiftbackprop": config["engine"]["bfloat16"],
            "BLAS of swiftbackprop": blas.get("version", "none"),
            "kernel of swiftbackprop": f"{blas.get('kernel')}, {blas.get('threads')} threads",
        }

    def step(self, case: Case) -> Run:
        self.net = self._network(case)
        self.shared = self.net._plan(case.batch, self.threads)
        X, y = data_of(case)

        def run(steps: int) -> None:
            epochs, rest = divmod(steps, case.batches)
            for count, rows in ((epochs, len(X)), (1, rest * case.batch)):
                if count and rows:
                    self._fit(X[:rows], y[:rows], count, case.batch, shuffle=False)

        return run

    def _fit(self, X: Floats, y: Labels, epochs: int, batch: int, shuffle: bool) -> None:
        self.net.fit(
            X, y, epochs=epochs, batch_size=batch, shuffle=shuffle, progress=False
        )  # fmt: skip

    def epoch(self, case: Case, X: Floats, y: Labels) -> Run:
        self.net = self._network(case)

        def run(epochs: int) -> None:
            if case.decay == 1:
                self._fit(X, y, epochs, case.batch, shuffle=True)
                return
            for _ in range(epochs):
                self._fit(X, y, 1, case.batch, shuffle=True)
                self.net.optimizer.lr *= case.decay

        return run

    def classes(self, X: Floats) -> Labels:
        found: Labels = self.net.predict(X).argmax(axis=1)
        return found

    def predict(self, case: Case, rows: int) -> Run:
        net = self._network(case)
        X, _ = data_of(case, rows)

        def run(times: int) -> None:
            for _ in range(times):
                net.predict(X)

        return run

    def parameters(self) -> Pairs:
        return [(layer.W, layer.b) for layer in self.net.layers]


class Explicit(Fit):
    """The same steps, called one by one as a notebook does."""

    def step(self, case: Case) -> Run:
        self.net = net = self._network(case)
        X, y = data_of(case)
        batch, end = case.batch, len(X)
        at = 0

        def run(steps: int) -> None:
            nonlocal at
            for _ in range(steps):
                net.forward(X[at : at + batch])
                net.backward(y[at : at + batch])
                net.step()
                at = (at + batch) % end

        return run
