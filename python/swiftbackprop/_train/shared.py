"""Training by several processes: the rows of each, and the session around the engine's."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from swiftbackprop._net.arrays import FloatArray, as_labels, check_some_weight
from swiftbackprop._net.labels import as_classes
from swiftbackprop._net.state import NetworkState, live_spec, options, parameters_and_buffers
from swiftbackprop._train.data import Data
from swiftbackprop._train.processes import Processes
from swiftbackprop._train.session import Progress, Record
from swiftbackprop._train.shared_memory import file_of_all

if TYPE_CHECKING:
    from swiftbackprop._net.base import NetworkBase


def text_in(y: Any) -> list[str]:
    """Return the labels of text in y."""
    labels = as_labels(y, "y")
    return np.unique(labels).tolist() if labels.dtype.kind == "U" else []


def find_classes_of_all(
    net: NetworkBase, find: Callable[[], list[str]], processes: Processes
) -> FloatArray | None:
    """Return the labels that the network of process 0 knows, or those that all processes find."""
    known = processes.from_first(None if net._classes is None else net._classes.tolist())
    if known is not None:
        return as_classes(net, known)
    found = sorted({label for some in processes.gather(find()) for label in some})
    return as_classes(net, found) if found else None


def complete(net: NetworkBase, data: Data, processes: Processes) -> Data:
    """Return the data of a process with all that another has: weights, and rows to validate."""
    X, y, weights = filled(net, data.X, data.y, data.weights)
    valid = filled(net, data.valid_X, data.valid_y, data.valid_weights)
    facts = processes.gather(
        (len(X), len(valid[0]), *(part is not None for part in (weights, data.valid_X, valid[2])))
    )
    rows, valid_rows, are_weighed, validate, valid_are_weighed = zip(*facts, strict=True)
    if not sum(rows):
        raise ValueError("X: expected at least one row in one of the processes, got none")
    if any(validate) and not sum(valid_rows):
        raise ValueError("validation data: expected at least one row in one of the processes")
    if any(are_weighed):
        weights = weights_of_all(net, X, weights, processes)
        check_some_weight(weights, "sample_weight")
    if not any(validate):
        return Data(X, y, weights)
    if any(valid_are_weighed):
        every = weights_of_all(net, valid[0], valid[2], processes)
        check_some_weight(every, "sample_weight of validation_data")
        if valid[2] is None:
            valid = (*valid[:2], np.ones(len(valid[0]), net.dtype))
    return Data(X, y, weights, *valid)


def filled(
    net: NetworkBase, X: FloatArray | None, y: FloatArray | None, weights: FloatArray | None
) -> tuple[FloatArray, FloatArray, FloatArray | None]:
    """Return arrays that the engine takes for no rows at all, where there are none."""
    if X is None or y is None:
        X, y = np.zeros((0, net.sizes[0]), net.dtype), np.zeros(0)
    if X.ndim == 2 and not len(X) and not len(y):
        y = np.zeros((0, net.sizes[-1]), net.dtype)
    return X, y, weights


def weights_of_all(
    net: NetworkBase, X: FloatArray, weights: FloatArray | None, processes: Processes
) -> FloatArray:
    """Return the weights of the rows of all processes; 1 for the rows of those that gave none."""
    own = np.ones(len(X)) if weights is None else weights
    if own.shape not in ((len(X),), (len(X), 1)):
        raise ValueError(
            f"sample_weight: expected shape (N,) = ({len(X)},), one weight for each row of X, got "
            f"{own.shape}"
        )
    return np.concatenate(processes.gather(own.ravel().astype(net.dtype)))


def join(
    net: NetworkBase,
    processes: Processes,
    epochs: int,
    batch_size: int | None,
    shuffle: int,
    metrics: list[str],
) -> None:
    """Begin a training together: the network takes all that the one of process 0 has learnt."""
    processes.agree(
        [
            *_description(net),
            ("epochs =", epochs),
            ("batch_size =", batch_size),
            ("shuffle =", (False, True, "even")[shuffle]),
            ("metrics =", metrics),
        ]
    )
    _follow_first(net, processes)


class Agreement:
    """What processes that train together tell each other on the way."""

    def __init__(self, net: NetworkBase, processes: Processes) -> None:
        self.net, self.processes = net, processes

    def wish(self) -> None:
        """Let the others know, with the next batch, that `net.stop` was called."""
        if self.net._stopped and not self.processes.wish:
            self.processes.wish = "stop"

    def compare(self, seconds: float, ended: int) -> tuple[float, bool]:
        """Compare notes behind an epoch: time, wishes, whether the weights have the same bits.

        Returns the longest time, and whether to stop.
        """
        notes = self.processes.gather((seconds, self.processes.wish))
        times, wishes = zip(*notes, strict=True)
        self.check(ended)
        return max(times), self.follow(wishes)

    def check(self, ended: int, *, all_of_it: bool = False) -> None:
        """Refuse to go on if the weights are not the same everywhere.

        With `all_of_it` also what they are updated by, before processes that have memory in common
        go on with what process 0 has.
        """
        net = self.net
        arrays, check = parameters_and_buffers(net), 0
        if all_of_it:
            arrays += net.optimizer.state
            settings = net.optimizer.parameters, net.l1, net.l2, net.clip_norm, options(net)
            check = zlib.crc32(repr((settings, net.step_count, net._generator())).encode())
        for array in arrays:
            check = zlib.crc32(array.data, check)
        checks = self.processes.gather(check)
        if len(set(checks)) > 1:
            rank = next(r for r, found in enumerate(checks) if found != checks[0])
            raise RuntimeError(
                f"the weights of process {rank} are not those of process 0 after epoch {ended}: "
                "does a callback change the network, or its learning rate, on one process alone?"
            )

    def follow(self, wishes: Sequence[str] | None = None) -> bool:
        """Return whether some process wished to stop; all of them learn it at the same batch."""
        if wishes is None:
            wishes = self.processes.gather(self.processes.wish)
        self.processes.has_wishes = False
        if "interrupt" in wishes:
            self.processes.is_told = True
            rank = list(wishes).index("interrupt")
            raise KeyboardInterrupt(f"process {rank} of {len(wishes)} was interrupted")
        return "stop" in wishes


class SharedSession:
    """A `TrainingSession` of one of several processes that train together.

    The network takes the weights, the optimizer's state and the random numbers of process 0; the
    data are as `complete` returns them. It comes back at the most that a process asks for by
    `pause`, and at least at every epoch's end.
    """

    def __init__(
        self,
        net: NetworkBase,
        data: Data,
        processes: Processes,
        epochs: int,
        batch_size: int,
        shuffle: int,
        pause: int,
        metrics: list[str],
    ) -> None:
        self.net, self.processes = net, processes
        self.agreement = Agreement(net, processes)
        join(net, processes, epochs, batch_size, shuffle, metrics)
        #: Whether all processes have agreed to stop here.
        self.is_stopped = False
        pauses = processes.gather(pause)
        self.pause, self._may_change = max(1, *pauses), max(pauses) > 0
        self._is_between = True  # two epochs
        self.seconds: list[float] = []
        rows = processes.gather(len(data.X))
        total, first = sum(rows), sum(rows[: processes.rank])
        with file_of_all(processes) as file:
            memory = None
            if file is not None:
                memory = file, processes.rank, processes.size, self._may_change
            self._session = data.begin(
                net, epochs, batch_size, shuffle, self.pause, total, first, processes.answer, memory
            )

    def run(self, max_ns: int, /) -> Progress:
        """Work for about that long; as `core.FitSession.run`."""
        self.agreement.wish()
        if self._is_between and self._may_change:
            self.agreement.check(len(self.seconds), all_of_it=True)
        self._is_between = False
        progress = self._session.run(max_ns)
        ended = progress[0]
        if ended > len(self.seconds):
            own = self._session.records(ended - 1)[0][3]
            seconds, self.is_stopped = self.agreement.compare(own, ended)
            self.seconds.append(seconds)
            self._is_between = True
        elif self.processes.has_wishes:
            self.is_stopped = self.agreement.follow()
        return progress

    def records(self, first: int, /) -> list[Record]:
        """Return those of the epochs that have ended, from that one on; their times are of all."""
        found = self._session.records(first)
        for k, (record, seconds) in enumerate(zip(found, self.seconds[first:], strict=False)):
            found[k] = (*record[:3], seconds, *record[4:])
        return found

    def set_rates(self, rates: FloatArray, /) -> None:
        """Take lr for the batches of every epoch from now on."""
        self._session.set_rates(rates)

    def set_outputs(self, outputs: FloatArray, /) -> None:
        """Write a(L) of the validation rows of this process there too, at every epoch's end."""
        self._session.set_outputs(outputs)

    def end(self) -> None:
        """Give the network back."""
        self._session.end()


def _follow_first(net: NetworkBase, processes: Processes) -> None:
    """Give the network all that the one of process 0 has learnt, and its settings."""
    settings = net.optimizer.parameters, net.l1, net.l2, net.clip_norm
    given = processes.from_first((NetworkState.of(net), settings, net.seed))
    if processes.is_first:
        return
    state, (parameters, net.l1, net.l2, net.clip_norm), net._seed = given
    for name, value in parameters.items():
        setattr(net.optimizer, name, value)
    state.write(net)


def _description(net: NetworkBase) -> list[tuple[str, Any]]:
    """Return what must be the same on all processes, in words."""
    spec = live_spec(net)
    return [
        ("a network of the sizes", spec.sizes),
        ("a network of dtype", spec.dtype.name),
        ("the activations", [repr(rule) for rule in spec.activations]),
        ("the loss", repr(spec.loss)),
        ("the norms", [repr(norm) for norm in spec.norms]),
        ("the optimizer", type(spec.optimizer).__name__),
    ]
