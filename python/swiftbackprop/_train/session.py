"""Training sessions: what the loop of `fit` asks of each."""

from __future__ import annotations

from typing import Protocol

from swiftbackprop._net.arrays import FloatArray

# loss, accuracy, penalty, seconds, then those of the validation data: as core.FitSession.records.
Record = tuple[float, ...]

#: The phase in which `run` comes back when a batch is done.
BATCH_DONE = 3

# The engine returns after this time at the latest, at the end of a batch; then signals are
# handled, so that Ctrl-C acts within a tenth of a second.
SLICE_NS = 50_000_000


# Epochs ended, batches of the next one done and their number, its running loss, whether all is
# done, and the phase.
Progress = tuple[int, int, int, float, bool, int]


class TrainingSession(Protocol):
    """A training in slices: the engine's, `core.FitSession`, or one in Python."""

    def run(self, max_ns: int, /) -> Progress:
        """Work for about that long."""

    def records(self, first: int, /) -> list[Record]:
        """Return those of the epochs that have ended, from that one on."""

    def set_rates(self, rates: FloatArray, /) -> None:
        """Take lr for the batches of every epoch from now on."""

    def set_outputs(self, outputs: FloatArray, /) -> None:
        """Write a(L) of the validation rows there too, at every epoch's end."""

    def end(self) -> None:
        """Give the network back."""
