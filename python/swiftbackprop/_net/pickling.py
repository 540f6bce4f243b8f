"""Networks in pickles."""

from __future__ import annotations

from typing import Any, SupportsIndex

from swiftbackprop._net.base import NetworkBase
from swiftbackprop._net.state import NetworkState, live_spec


class PicklableNetwork(NetworkBase):
    """The part of `Network` that makes it a state of plain objects, and back."""

    def __getstate__(self) -> dict[str, Any]:
        clone = self._clone()  # the state of one moment, whatever other threads do
        spec = live_spec(clone)
        return {
            "spec": spec,
            "seed": self._seed,
            "numbers": NetworkState.of(clone),
            "attributes": {**clone.__dict__, "_made": spec},
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._build(state["spec"], state["seed"])
        state["numbers"].write(self)
        self.__dict__.update(state["attributes"])

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return blank, (type(self),), self.__getstate__()


def blank(kind: type[NetworkBase]) -> NetworkBase:
    """Return a network without anything, to be restored."""
    return kind.__new__(kind)
