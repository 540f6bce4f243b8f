"""``python -m benchmarks``: measure, print, and write what is wanted."""

import argparse
import json
import sys
import time
from pathlib import Path

from benchmarks import check, machine, plot, precision, sections
from benchmarks.cases import grid
from benchmarks.contenders import CONTENDERS
from benchmarks.run import Run
from benchmarks.session import Session


def parse(arguments: list[str]) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="short slices, few rounds, no curves: minutes")
    add("--rounds", type=int, help="rounds of every comparison (7; 3 if quick)")
    add("--seconds", type=float, help="a slice of time in a round (0.08; 0.025 if quick)")
    add("--threads", type=int, default=machine.cores(), help="for everybody (all cores)")
    add("--nets", default="", metavar="NET[:BATCH],...", help="of the step table, as 784-128-10:32")
    add("--grid", choices=("usual", "full"), default="usual", help="full: momentum, sigmoid, ...")
    add("--only", default="", metavar="SECTION,...", help=", ".join(sections.SECTIONS))
    add("--contenders", default="", metavar="NAME,...", help=", ".join(CONTENDERS))
    add("--stream-gb", type=float, default=2.0, metavar="GB", help="of files, for stream (2)")
    add("--json", type=Path, metavar="PATH", help="write everything that was measured")
    add("--plot", type=Path, metavar="PATH", help="write a picture (.png)")
    add("--check", action="store_true", help="compare with expected.json; 1 if out of line")
    add("--expect", action="store_true", help="write expected.json from this run")
    options = parser.parse_args(arguments)
    if options.only and set(options.only.split(",")) <= set(sections.PRECISION):
        options.contenders = options.contenders or ",".join(precision.BASES)
    if options.quick and not options.contenders:
        # it compiles for seconds, for every network
        options.contenders = ",".join(name for name in CONTENDERS if name != "torch-compile")
    if options.only == "verdict":
        options.only = ",".join((*sections.JUDGED, "verdict"))
    usual = sections.QUICK if options.quick else sections.USUAL
    options.only = options.only.split(",") if options.only else list(usual)
    options.contenders = (options.contenders or ",".join(CONTENDERS)).split(",")
    options.rounds = options.rounds or (3 if options.quick else 7)
    options.seconds = options.seconds or (0.025 if options.quick else 0.08)
    for given, known in ((options.only, sections.SECTIONS), (options.contenders, CONTENDERS)):
        for name in given:
            if name not in known:
                parser.error(f"no {name!r}; there are {', '.join(known)}")
    try:
        options.cases = grid(options.grid == "full", options.nets)
    except ValueError as error:
        parser.error(str(error))
    return options


def main() -> int:
    """Run the benchmarks and return the exit status."""
    options = parse(sys.argv[1:])
    begin = time.perf_counter()
    with Session(options.contenders, options.threads) as session:
        run = Run(session, options)
        for section in options.only:
            run.measure(section)
        expected = check.expectations()
        if options.check and (names := check.complaints(run.ratios(), expected)):
            run.again(names)
    results = run.results()
    print(f"\nmeasured in {time.perf_counter() - begin:.0f} s")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if options.plot:
        try:
            plot.draw(run.rows, run.raced, options.plot, run.title)
        except ImportError as error:
            print(f"no plot: {error}")
    if options.expect:
        check.expect(results["ratios"])
    return report(results["ratios"], expected) if options.check else 0


def report(ratios: dict[str, float], expected: dict[str, dict[str, float]]) -> int:
    """Print what is out of line with the expectations; 1 if something is."""
    lines = check.complaints(ratios, expected)
    print("\nout of line:" if lines else "\nnothing is out of line")
    for line in lines.values():
        print(f"  {line}")
    if missing := len(expected.keys() - ratios.keys()):
        print(f"{missing} expectations are about what was not measured")
    return int(bool(lines))


if __name__ == "__main__":
    sys.exit(main())
