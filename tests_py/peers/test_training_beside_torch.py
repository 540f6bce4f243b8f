"""Data loaders, schedules and the reference's optimizers beside PyTorch's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import reference
from helpers import OPTIMIZERS, assert_matches
from reference import optimizers
from swiftbackprop import schedules
from test_pieces import data, network
from torch_optimizers import TORCH_OPTIMIZERS


def test_a_data_loader_of_pytorch() -> None:
    X, y = data()
    X = X.astype(np.float32)
    dataset = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(y))
    loader = torch.utils.data.DataLoader(dataset, batch_size=16)
    net, twin = network(dtype="float32"), network(dtype="float32")
    options: dict[str, Any] = {"epochs": 3, "shuffle": False, "progress": False}
    net.fit(loader, class_weight={1: 2.0}, validation_data=(X, y), **options)
    twin.fit(X, y, batch_size=16, class_weight={1: 2.0}, validation_data=(X, y), **options)
    assert_matches(net.parameters, twin.parameters, 1e-6)
    shuffled = torch.utils.data.DataLoader(dataset, batch_size=16, shuffle=True)
    history = net.fit(shuffled, epochs=20, progress=False)
    assert history["loss"][-1] < history["loss"][0]


def test_schedules_beside_pytorch() -> None:
    lr_scheduler = torch.optim.lr_scheduler

    def rates(make: Any, count: int) -> list[float]:
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        scheduler, found = make(optimizer), []
        for _ in range(count):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        return found

    pairs = [
        (schedules.Step(3, 0.5), lambda o: lr_scheduler.StepLR(o, 3, 0.5)),
        (schedules.Exponential(0.9), lambda o: lr_scheduler.ExponentialLR(o, 0.9)),
        (schedules.Cosine(20, least=0.1),
         lambda o: lr_scheduler.CosineAnnealingLR(o, 20, eta_min=0.1)),
        (schedules.Constant(), lambda o: lr_scheduler.ConstantLR(o, factor=1.0)),
    ]  # fmt: skip
    for ours, theirs in pairs:
        assert_matches(ours(np.arange(15)), rates(theirs, 15), 1e-12, repr(ours))
    # PyTorch ends its cycle with the last update, we at the end of the last epoch.
    cycle = schedules.OneCycle(1, rise=0.25)
    wanted = rates(lambda o: lr_scheduler.OneCycleLR(o, 1.0, 101, pct_start=26 / 101), 101)
    assert_matches(cycle(np.arange(101) / 100), wanted, 1e-12)


@pytest.mark.parametrize("name", TORCH_OPTIMIZERS)
def test_optimizers_against_torch(name: str, rng: np.random.Generator) -> None:
    keywords = OPTIMIZERS[name]
    p = torch.tensor(rng.normal(size=(3, 2)), requires_grad=True)
    theirs = TORCH_OPTIMIZERS[name]([p], keywords)
    ours = reference.Network(
        [(p.detach().numpy().copy(), np.zeros(3))], ["identity"], "squared_error",
        optimizer=optimizers.make(name, **keywords),
    )  # fmt: skip
    for _ in range(10):
        g = rng.normal(size=(3, 2))
        p.grad = torch.tensor(g)
        theirs.step()
        ours.layers[0].grad_W = g
        ours.step()
        np.testing.assert_allclose(ours.layers[0].W, p.detach().numpy(), 1e-12)
