"""The command line: ``python -m trust fuzz``, ``faults``, ``keep``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable

from trust import fuzz
from trust.report import show


def parse(arguments: list[str]) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="python -m trust", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    calls = commands.add_parser("fuzz", help="random calls and files")
    calls.add_argument("--seed", type=int, default=0)
    calls.add_argument("--seconds", type=float, default=120, help="for all kinds together (120)")
    calls.add_argument("--cases", type=int, help="so many of each kind, instead of seconds")
    calls.add_argument("--first", type=int, default=0, help="the number of the first one (0)")
    calls.add_argument("--case", type=int, help="this one alone, and say what it does")
    calls.add_argument("--only", default="", help=f"kinds: {', '.join(fuzz.KINDS)}")
    faults = commands.add_parser("faults", help="kills, full disks, little memory, no threads")
    faults.add_argument("--seed", type=int, default=0)
    faults.add_argument("--long", action="store_true", help="as before a release")
    faults.add_argument("--only", default="", help="kinds, by the names in the table")
    keep = commands.add_parser("keep", help="damage models and keep those of a new sentence")
    keep.add_argument("--seed", type=int, default=0)
    keep.add_argument("--cases", type=int, default=20000)
    options = parser.parse_args(arguments)
    options.only = options.only.split(",") if getattr(options, "only", "") else []
    return options


def chosen(only: list[str], kinds: Iterable[str]) -> list[str]:
    """Return the kinds that were asked for, which are all if none was."""
    known = list(kinds)
    for kind in only:
        if kind not in known:
            sys.exit(f"unknown kind {kind!r}; there are {', '.join(known)}")
    return only or known


def main() -> int:
    """Run a command and return the exit status."""
    options = parse(sys.argv[1:])
    if options.command == "keep":
        from trust.keep import keep

        return keep(options.seed, options.cases)
    if options.command == "faults":
        from trust.faults import FAULTS, run

        kinds = chosen(options.only, FAULTS)
        return show(run(kinds, options.seed, options.long), "faults")
    kinds = chosen(options.only, fuzz.KINDS)
    if options.case is not None:
        return max(fuzz.replay(kind, options.seed, options.case) for kind in kinds)
    tallies = fuzz.fuzz(kinds, options.seed, options.seconds, options.cases, options.first)
    return show(tallies, f"fuzz SEED={options.seed}")


if __name__ == "__main__":
    raise SystemExit(main())
