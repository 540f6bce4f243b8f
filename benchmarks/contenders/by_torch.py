"""PyTorch, eager and compiled; the optimizers in their fastest form: fused for Adam."""

import time
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from benchmarks.cases import Case, Floats, Labels, Pairs, data_of, start
from benchmarks.contenders import Contender, Run, Unsupported

TOO_SLOW = 5.0  # times as long as float32's

ACTIVATIONS = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh, "sigmoid": torch.nn.Sigmoid}


def _model(case: Case) -> Any:
    layers: list[Any] = []
    for W, b in start(case):
        linear = torch.nn.Linear(W.shape[1], W.shape[0], dtype=getattr(torch, case.dtype))
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(W))
            linear.bias.copy_(torch.from_numpy(b))
        layers += [linear, ACTIVATIONS[case.activation]()]
    return torch.nn.Sequential(*layers[:-1])


def _optimizer(case: Case, model: Any) -> Any:
    lr = case.lr
    if case.optimizer == "adam":
        return torch.optim.Adam(model.parameters(), lr=lr, fused=True)
    mu = 0.9 if case.optimizer == "momentum" else 0.0
    return torch.optim.SGD(model.parameters(), lr=lr, momentum=mu)


class Eager(Contender):
    """Autograd in a loop."""

    model: Any
    optimizer: Any

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        torch.set_num_threads(threads)

    def versions(self) -> dict[str, str]:
        return {"PyTorch": torch.__version__}

    def _loss(self, case: Case) -> Any:
        self.model = _model(case)
        logits = self._logits(self.model)
        return lambda x, y: functional.cross_entropy(logits(x), y)

    def _logits(self, model: Any) -> Any:
        """Return what computes the outputs of the last layer, softmax not yet applied."""
        return model

    def _train(self, case: Case) -> Any:
        loss_of = self._loss(case)
        self.optimizer = optimizer = _optimizer(case, self.model)

        def train(x: Any, y: Any) -> None:
            optimizer.zero_grad()
            loss_of(x, y).backward()
            optimizer.step()

        return train

    def step(self, case: Case) -> Run:
        train = self._train(case)
        X, y = map(torch.from_numpy, data_of(case))
        batch, end, at = case.batch, len(X), 0

        def run(steps: int) -> None:
            nonlocal at
            for _ in range(steps):
                train(X[at : at + batch], y[at : at + batch])
                at = (at + batch) % end

        return run

    def epoch(self, case: Case, X: Floats, y: Labels) -> Run:
        torch.manual_seed(case.seed)
        train = self._train(case)
        xs, ys = torch.from_numpy(X), torch.from_numpy(y)

        def run(epochs: int) -> None:
            for _ in range(epochs):
                for chosen in torch.randperm(len(xs)).view(-1, case.batch):
                    train(xs[chosen], ys[chosen])
                for group in self.optimizer.param_groups:
                    group["lr"] *= case.decay

        return run

    def classes(self, X: Floats) -> Labels:
        with torch.inference_mode():
            logits = self._logits(self.model)(torch.from_numpy(X))
        found: Labels = logits.numpy().argmax(axis=1)
        return found

    def predict(self, case: Case, rows: int) -> Run:
        logits = self._logits(_model(case))
        X = torch.from_numpy(data_of(case, rows)[0])

        def run(times: int) -> None:
            with torch.inference_mode():
                for _ in range(times):
                    functional.softmax(logits(X), dim=1)

        return run

    def parameters(self) -> Pairs:
        linear = [layer for layer in self.model if isinstance(layer, torch.nn.Linear)]
        return [(x.weight.detach().numpy(), x.bias.detach().numpy()) for x in linear]


class Compiled(Eager):
    """The same with forward, loss and backward through torch.compile."""

    def versions(self) -> dict[str, str]:
        return {}

    def _loss(self, case: Case) -> Any:
        torch._dynamo.reset()  # or it would give up after some networks
        return torch.compile(super()._loss(case), dynamic=False)


class Medium(Eager):
    """The same, with leave to round the factors of products of float32 to bfloat16.

    Where the CPU has no unit for them, PyTorch makes no use of it.
    """

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        torch.set_float32_matmul_precision("medium")


class Autocast(Eager):
    """The same with forward under autocast: products and what lies between in bfloat16."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        # Without a unit some products are made one number at a time: a race could take hours.
        layer, x = torch.nn.Linear(128, 128), torch.ones(128, 128, requires_grad=True)

        def run() -> None:
            layer(x).float().sum().backward()

        usual = _least(run)
        with torch.autocast("cpu", torch.bfloat16):
            slowness = _least(run) / usual
        if slowness > TOO_SLOW:
            raise Unsupported(f"a layer takes {slowness:.0f} times as long as in float32 here")

    def _logits(self, model: Any) -> Any:
        def logits(x: Any) -> Any:
            with torch.autocast("cpu", torch.bfloat16):
                return model(x).float()

        return logits


def _least(run: Callable[[], object]) -> float:
    """Return the seconds of the fastest of a few runs."""
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return min(times)
