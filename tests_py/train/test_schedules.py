"""Schedules of the learning rate, by epoch and by batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import assert_matches, refused
from scheduled import Replay, data, network, train
from swiftbackprop import schedules


def test_warm_up_and_inverse_scaling() -> None:
    cosine = schedules.Cosine(10, warmup=2, least=0.2, start=0.0)
    assert_matches(cosine([0, 1, 2, 6, 10, 50]), [0, 0.5, 1, 0.6, 0.2, 0.2], 1e-12)
    assert_matches(schedules.InverseScaling(2.0)([0, 1, 3]), [1, 1 / 4, 1 / 16], 1e-12)
    assert schedules.Constant(0.5)(7) == 0.5


@pytest.mark.parametrize(
    "make",
    [
        lambda: schedules.Step(0),
        lambda: schedules.Step(2, gamma=0),
        lambda: schedules.Exponential(1.5),
        lambda: schedules.Cosine(-1),
        lambda: schedules.Cosine(5, warmup=5),
        lambda: schedules.Cosine(5, least=2),
        lambda: schedules.InverseScaling(0),
        lambda: schedules.OneCycle(3, rise=1.0),
        lambda: schedules.OneCycle(0),
        lambda: schedules.Constant(float("inf")),
        lambda: schedules.ReduceOnPlateau(factor=2.0),
        lambda: schedules.ReduceOnPlateau(patience=-1),
        lambda: schedules.ReduceOnPlateau(mode="less"),
        lambda: schedules.ReduceOnPlateau(min_delta=-1.0),
        lambda: schedules.ReduceOnPlateau(cooldown=-2),
    ],
)
def test_wrong_numbers(make: Any) -> None:
    refused(make, ValueError, "must be .*, got")


@pytest.mark.parametrize(
    "make",
    [
        lambda: schedules.ReduceOnPlateau(min_lr="1"),
        lambda: schedules.Cosine(10, warmup="2"),
        lambda: schedules.Cosine(10, least=None),
        lambda: schedules.OneCycle(10, rise="0.3"),
        lambda: sb.EarlyStopping(patience=2.5),
    ],
)
def test_wrong_types(make: Any) -> None:
    refused(make, TypeError, "must be .*, got")


def test_rates_by_epoch() -> None:
    net = network()
    scheduler = sb.LearningRateScheduler(schedules.Exponential(0.5))
    history = train(net, [scheduler], epochs=3)
    assert history["lr"] == [0.1, 0.05, 0.025]
    assert list(history)[-2:] == ["lr", "seconds"]
    assert net.optimizer.lr == 0.1, "the rate it began with is back"
    twin = network()
    for lr in (0.1, 0.05, 0.025):
        twin.optimizer.lr = lr
        train(twin, [], epochs=1)
    assert np.array_equal(net.parameters, twin.parameters)


@pytest.mark.parametrize("recipe", [sb.SGD(0.1), sb.Momentum(0.1), sb.Adam(0.1)])
def test_rates_by_batch(recipe: Any) -> None:
    X, y = data()
    net = sb.Network([4, 8, 3], optimizer=recipe, loss="cross_entropy", dtype="float64", seed=0)
    twin = net.copy()
    cycle = schedules.OneCycle(3)
    history = train(net, [sb.LearningRateScheduler(cycle)], epochs=3, shuffle=False)
    for update in range(9):
        twin.optimizer.lr = 0.1 * cycle(update / 3)
        rows = slice(16 * (update % 3), 16 * (update % 3) + 16)
        twin.forward(X[rows])
        twin.backward(y[rows])
        twin.step()
    assert_matches(net.parameters, twin.parameters, 1e-12)
    assert_matches(history["lr"], 0.1 * cycle(np.array([2, 5, 8]) / 3), 1e-12)
    assert net.optimizer.lr == 0.1


def test_a_schedule_may_be_followed_by_batch() -> None:
    fast = sb.LearningRateScheduler(schedules.Exponential(0.5), per_batch=True)
    history = train(network(), [fast], epochs=2)
    assert_matches(history["lr"], [0.1 * 0.5 ** (2 / 3), 0.1 * 0.5 ** (5 / 3)], 1e-12)


def test_a_function_of_epoch_and_rate() -> None:
    net = network()
    history = train(net, [sb.LearningRateScheduler(lambda epoch, lr: lr / (epoch + 1))], epochs=3)
    assert_matches(history["lr"], [0.1, 0.05, 0.05 / 3], 1e-12)
    assert net.optimizer.lr == history["lr"][-1]
    for bad in ("cosine", schedules.Step, 0.1):
        refused(lambda bad=bad: sb.LearningRateScheduler(bad), TypeError, "schedule")
    refused(lambda: sb.LearningRateScheduler(lambda e, lr: lr, per_batch=True), ValueError, "time")
    refused(
        lambda: sb.LearningRateScheduler(lambda e, lr: lr, start="2"),  # type: ignore[arg-type]
        TypeError, "start must be an int",
    )  # fmt: skip


@pytest.mark.parametrize("schedule", [schedules.Cosine(6, warmup=2), schedules.OneCycle(6)])
def test_a_schedule_goes_on_where_it_was(schedule: Any) -> None:
    whole, parts = network(), network()
    rates = train(whole, [sb.LearningRateScheduler(schedule)], epochs=6)["lr"]
    first = train(parts, [sb.LearningRateScheduler(schedule)], epochs=4)["lr"]
    parts.optimizer.lr = 7.0  # as in a file of the middle of training
    rest = train(parts, [sb.LearningRateScheduler(schedule, start=4, lr=0.1)], epochs=2)["lr"]
    assert first + rest == rates
    assert np.array_equal(whole.parameters, parts.parameters)
    assert parts.optimizer.lr == 0.1
    seen: list[int] = []
    by_hand = sb.LearningRateScheduler(lambda epoch, lr: seen.append(epoch) or lr, start=4)
    train(parts, [by_hand], epochs=2)
    assert seen == [4, 5]


def test_what_a_scheduler_refuses_to_go_on_with() -> None:
    plateau, cosine = schedules.ReduceOnPlateau(), schedules.Cosine(6)
    make = sb.LearningRateScheduler
    refused(lambda: make(plateau, start=1), ValueError, "start needs")
    refused(lambda: make(plateau, lr=0.1), ValueError, "net.optimizer.lr")
    refused(lambda: make(cosine, start=-1), ValueError, "start must be an int >= 0, got -1")
    refused(lambda: make(cosine, start=0.5), TypeError, "start must be an int")
    for lr in (-1.0, float("nan"), float("inf")):
        refused(lambda lr=lr: make(cosine, lr=lr), ValueError, "lr must be a finite number >= 0")


def test_a_bad_rate_is_an_error_and_the_weights_stay() -> None:
    class Bad(schedules.Schedule):
        per_batch = True

        def factor(self, t: np.ndarray) -> np.ndarray:
            return np.where(t > 0.5, np.nan, 1.0)

    net = network()
    refused(lambda: train(net, [sb.LearningRateScheduler(Bad())]), (ValueError, ArithmeticError))
    assert np.all(np.isfinite(net.parameters))
    assert net.optimizer.lr == 0.1


def test_reduce_on_plateau() -> None:
    plan = schedules.ReduceOnPlateau(factor=0.5, patience=1, cooldown=2, min_lr=0.02)
    values = [1.0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]
    replay = Replay(sb.LearningRateScheduler(plan), values)
    net = network()
    train(net, [replay], epochs=len(values))
    drops = [i for i in range(1, 14) if replay.rates[i] < replay.rates[i - 1]]
    assert drops == [3, 7, 11]
    assert_matches([replay.rates[i] for i in drops], [0.05, 0.025, 0.02], 1e-12)
    assert net.optimizer.lr == 0.02, "it stays"
