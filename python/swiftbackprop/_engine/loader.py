"""The engine: which build of it runs on this machine, and the BLAS it calls.

The engine is compiled once per instruction-set level of x86-64. `core` is the best
build that this CPU runs, or the one that the environment variable SWIFTBACKPROP_ISA
names: ``baseline``, ``v3`` or ``v4``. Other architectures have the baseline alone.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

from swiftbackprop._engine import blas as blas_library

__all__ = ["LEVELS", "blas", "core", "level_name"]

# Name in SWIFTBACKPROP_ISA -> the engine's number of the level and its module.
LEVELS = {"baseline": (1, "_core"), "v3": (3, "_core_v3"), "v4": (4, "_core_v4")}

# The C contract that these Python files were written for.
_ABI = 8


def level_name(number: int) -> str:
    """Return the name of an instruction-set level."""
    names = [name for name, (level, _) in LEVELS.items() if level == number]
    return names[0] if names else f"level {number}"


if TYPE_CHECKING:
    from swiftbackprop import _core as core
else:

    def _find(module):
        """Import a build of the engine; None if the package does not hold it."""
        name = f"swiftbackprop.{module}"
        try:
            return import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
            return None

    def _check_unit(wanted):
        """Refuse a unit for products of bfloat16 that there is not."""
        if wanted not in ("", "dot", "emulated"):
            raise ImportError(
                f"SWIFTBACKPROP_BF16 is {wanted!r}; it can be dot, emulated, or unset for the "
                "best that this CPU has"
            )

    def _choose(baseline, wanted):
        """Return the build that SWIFTBACKPROP_ISA asks for, or the best there is."""
        cpu = baseline.cpu_level()
        if not wanted:
            usable = (module for level, module in LEVELS.values() if 1 < level <= cpu)
            found = (_find(module) for module in reversed(list(usable)))
            return next((build for build in found if build is not None), baseline)
        if wanted not in LEVELS:
            raise ImportError(
                f"SWIFTBACKPROP_ISA is {wanted!r}; it can be {', '.join(LEVELS)}, "
                "or unset for the best that this CPU runs"
            )
        number, module = LEVELS[wanted]
        if number > cpu:
            raise ImportError(
                f"SWIFTBACKPROP_ISA is {wanted!r}, but this CPU runs "
                f"{level_name(cpu)} at most: unset the variable or lower it"
            )
        # SWIFTBACKPROP_BUILD_LEVELS=native makes one module, of the best level.
        only = baseline.engine_level()
        build = baseline if only == number else _find(module) if number > 1 else None
        if build is None:
            raise ImportError(
                f"SWIFTBACKPROP_ISA is {wanted!r}, but this installation of "
                f"swiftbackprop has no build of that level ({module}): unset the variable"
            )
        return build

    def _load():
        """Import the engine and check that it fits these Python files."""
        baseline = _find("_core")
        if baseline is None:
            raise ImportError(
                "the engine of swiftbackprop is not built for this Python: install the "
                "package with pip (from a checkout: pip install .)"
            )
        _check_unit(os.environ.get("SWIFTBACKPROP_BF16", ""))
        build = _choose(baseline, os.environ.get("SWIFTBACKPROP_ISA", "").strip())
        if not build.abi_version() == build.ABI_VERSION == _ABI:
            raise ImportError(
                f"the engine {build.__file__} has ABI {build.abi_version()}, but the "
                f"Python files of swiftbackprop want {_ABI}: install the package anew"
            )
        return build

    core = _load()

blas = blas_library.install(core.set_blas)
