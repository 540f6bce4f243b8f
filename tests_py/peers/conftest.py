"""The peers, each of which has to be installed: `make test-peers` does it."""

from __future__ import annotations

import pytest

import autodiff


@pytest.fixture(params=list(autodiff.PEERS))
def peer(request: pytest.FixtureRequest) -> autodiff.Peer:
    """PyTorch and JAX."""
    return autodiff.PEERS[request.param]()
