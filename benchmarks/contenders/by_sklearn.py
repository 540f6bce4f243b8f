"""scikit-learn's MLPClassifier: `fit` for a number of epochs, going on from its weights."""

import warnings
from typing import Any

import numpy as np
import sklearn
from sklearn.neural_network import MLPClassifier

from benchmarks.cases import Case, Floats, Labels, Pairs, data_of, start
from benchmarks.contenders import Contender, Run


def _classifier(case: Case) -> Any:
    model = MLPClassifier(
        hidden_layer_sizes=case.sizes[1:-1],
        activation={"sigmoid": "logistic"}.get(case.activation, case.activation),
        solver="adam" if case.optimizer == "adam" else "sgd",
        alpha=0.0,
        batch_size=case.batch,
        learning_rate_init=case.lr,
        momentum=0.9 if case.optimizer == "momentum" else 0.0,
        nesterovs_momentum=False,
        warm_start=True,
        tol=0.0,
        n_iter_no_change=10**9,
        max_iter=1,
        shuffle=False,
        random_state=np.random.RandomState(case.seed),  # one that goes on from fit to fit
    )
    # One fit makes its arrays; then it gets everybody's weights.
    X, y = data_of(case)
    model.fit(X[: case.batch], y[: case.batch])
    model.coefs_ = [W.T.copy() for W, _ in start(case)]
    model.intercepts_ = [b.copy() for _, b in start(case)]
    return model


class BySklearn(Contender):
    """Its threads are those of NumPy's BLAS."""

    model: Any

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        warnings.simplefilter("ignore")  # that it has not converged, in every fit

    def versions(self) -> dict[str, str]:
        return {"scikit-learn": sklearn.__version__}

    def step(self, case: Case) -> Run:
        self.model = model = _classifier(case)
        X, y = data_of(case)

        def run(steps: int) -> None:
            epochs, rest = divmod(steps, case.batches)
            for count, rows in ((epochs, len(X)), (1, rest * case.batch)):
                if count and rows:
                    model.max_iter = count
                    model.fit(X[:rows], y[:rows])

        return run

    def epoch(self, case: Case, X: Floats, y: Labels) -> Run:
        self.model = model = _classifier(case)
        model.shuffle = True
        # `fit` makes a new optimizer every time, `partial_fit` goes on with the one there is.
        train = model.fit

        def run(epochs: int) -> None:
            nonlocal train
            for _ in range(epochs):
                train(X, y)
                train = model.partial_fit

        return run

    def classes(self, X: Floats) -> Labels:
        found: Labels = self.model.predict(X)
        return found

    def predict(self, case: Case, rows: int) -> Run:
        model = _classifier(case)
        X, _ = data_of(case, rows)

        def run(times: int) -> None:
            for _ in range(times):
                model.predict_proba(X)

        return run

    def parameters(self) -> Pairs:
        pairs = zip(self.model.coefs_, self.model.intercepts_, strict=True)
        return [(W.T, b) for W, b in pairs]
