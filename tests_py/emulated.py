"""pytest in an interpreter that qemu-user runs, and so what its tests start.

EMULATED_PYTHON=<a program that is this interpreter, emulated> python emulated.py -q ...
"""

from __future__ import annotations

import os
import sys

import pytest

LEFT_OUT = (
    "test_c_program.py",  # compiles and runs programs of the real machine
    # qemu-user does not limit memory, and what a process takes is its own too.
    "test_memory.py",
    "test_scarce.py",
    "test_hardening.py::test_wide_regressions_report_a_lack_of_memory",
    "test_hardening.py::test_memory_of_other_batch_sizes_is_given_back",
)


class Emulated:
    """Leaves out what an emulated machine cannot show."""

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Keep the other tests."""
        out = [item for item in items if item.nodeid.rpartition("/")[2].startswith(LEFT_OUT)]
        items[:] = [item for item in items if item not in out]
        config.hook.pytest_deselected(items=out)


if __name__ == "__main__":
    sys.executable = os.environ["EMULATED_PYTHON"]
    sys.exit(pytest.main(sys.argv[1:], plugins=[Emulated()]))
