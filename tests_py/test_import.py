"""Every module of the package can be imported where the test requirements are installed."""

from __future__ import annotations

import pkgutil
import zlib

import pytest

import swiftbackprop as sb
from helpers import run_python_ok

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(sb.__path__, "swiftbackprop.")
    if not module.name.rpartition(".")[2].startswith(("_core", "__main__"))
)


def test_modules_need_no_peer() -> None:
    """Without PyTorch and JAX all are imported but those that are about PyTorch."""
    said = run_python_ok(
        """
        import importlib, sys

        class Absent:
            def find_spec(self, name, path=None, target=None):
                if name in ("torch", "jax"):
                    raise ModuleNotFoundError(f"No module named {name!r}", name=name)

        sys.meta_path.insert(0, Absent())
        for name in sys.argv[1:]:
            try:
                importlib.import_module(name)
            except ImportError as error:
                print(name, error, sep=": ")
        """,
        *MODULES,
    )
    refused = dict(line.split(": ", 1) for line in said.splitlines())
    assert set(refused) == {"swiftbackprop._torch", "swiftbackprop._torch_read"}
    assert all("pip install torch" in message for message in refused.values())


def test_seeds_follow_from_the_name_of_the_test(request: pytest.FixtureRequest) -> None:
    seed = zlib.crc32(request.node.nodeid.rpartition("/")[2].encode())
    assert [sb.Network([1, 1]).seed for _ in range(2)] == [seed, (seed + 1) % 2**32]
