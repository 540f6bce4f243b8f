"""How long ``import swiftbackprop`` takes beyond NumPy: ``python -m benchmarks.import_time``.

The median user CPU time of 21 processes that import it, less that of 21 that import NumPy alone,
in turn. What takes the time is in ``python -X importtime -c "import swiftbackprop"``.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys

RUNS = 21


def user_time(code: str) -> float:
    """User CPU time of a process that runs `code`, in milliseconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    subprocess.run([sys.executable, "-c", code], check=True)
    return 1e3 * (resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before)


def main() -> None:
    alone, both = "import numpy", "import numpy, swiftbackprop"
    for code in (alone, both):  # so that the files are compiled, and in memory
        user_time(code)
    times = [(user_time(alone), user_time(both)) for _ in range(RUNS)]
    numpy, all_of_it = map(statistics.median, zip(*times, strict=True))
    print(f"NumPy {numpy:.0f} ms, swiftbackprop {all_of_it - numpy:.0f} ms more")


if __name__ == "__main__":
    main()
