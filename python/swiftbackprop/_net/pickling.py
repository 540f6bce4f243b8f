"""Networks in pickles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, SupportsIndex

from swiftbackprop._net.base import NetworkBase
from swiftbackprop._net.state import NetworkState, live_spec


class PicklableNetwork(NetworkBase):
    """The part of `Network` that makes it a state of plain objects, and back."""

    def __getstate__(self) -> dict[str, Any]:
        return state_of(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        restore(self, state)

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return blank, (type(self),), self.__getstate__()


def state_of(net: NetworkBase) -> dict[str, Any]:
    """Return all that a network is: plain objects, for `pickle` and its like."""
    clone = net._clone()  # the state of one moment, whatever other threads do
    spec = live_spec(clone)
    attributes = {**clone.__dict__, "_made": spec}
    return {
        "spec": spec,
        "seed": net._seed,
        "numbers": NetworkState.of(clone),
        "attributes": attributes,
    }


def blank(kind: type[NetworkBase]) -> NetworkBase:
    """Return a network without anything, to be restored."""
    return kind.__new__(kind)


def restore(net: NetworkBase, state: Mapping[str, Any]) -> None:
    """Make of a network without anything the one of which this is the state."""
    spec = state["spec"]
    net._build(spec, state["seed"])
    state["numbers"].write(net)
    net.__dict__.update(state["attributes"])
