"""What ``python -m swiftbackprop`` does: info, train, predict, export and bench."""

from __future__ import annotations

import argparse
import csv
import io
import os
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import swiftbackprop as sb
from swiftbackprop._cli.parser import as_amount, make_parser
from swiftbackprop._export import files
from swiftbackprop._export.atomic_file import as_target, write_whole
from swiftbackprop._import.load import read_notes
from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.checks import listed
from swiftbackprop._net.optional import optional

if TYPE_CHECKING:
    from swiftbackprop._cli.preprocessing import Preparation, Target
    from swiftbackprop._cli.table import Table

__all__ = ["main"]

_NOTE = "table"  # in the model's file: what is done with the columns
_INTERRUPTED = 130
_BATCH_SIZE = 32  # unless told


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status: 0, 1 after an error, 2 for wrong arguments."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name beyond its encoding is still readable
            stream.reconfigure(errors="backslashreplace")
    parser = make_parser(_info, _train, _predict, _export, _bench)
    options = parser.parse_args(arguments)
    try:
        options.run(options)
        if sys.stdout is not None:  # closed by who called
            sys.stdout.flush()
    except KeyboardInterrupt:
        return _complain("stopped by Ctrl-C", _INTERRUPTED)
    except BrokenPipeError:  # whoever reads has seen enough
        _abandon_stdout()
        return 1
    except OSError as error:
        _abandon_stdout()
        reason = error.strerror or str(error)
        return _complain(f"{error.filename}: {reason}" if error.filename else reason, 1)
    except MemoryError as error:
        return _complain(str(error) or "there is not enough memory", 1)
    except (ValueError, TypeError, ImportError, ArithmeticError) as error:
        return _complain(str(error) or type(error).__name__, 1)
    return 0


def _abandon_stdout() -> None:
    """Let go what cannot be written: Python would try again at its end, and exit with 120."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(sentence: str, status: int) -> int:
    line = " ".join(sentence.split())  # messages of other packages may be longer
    print(f"swiftbackprop: {line}", file=sys.stderr, flush=True)
    MPI = sys.modules.get("mpi4py.MPI")
    if MPI is not None and MPI.COMM_WORLD.Get_size() > 1:
        MPI.COMM_WORLD.Abort(status)  # or the other processes would wait for this one
    return status


def _remark(sentence: str) -> None:
    if sys.stderr is not None:
        print(f"swiftbackprop: note: {sentence}", file=sys.stderr)


def _info(options: argparse.Namespace) -> None:
    sb.show_config()


# --- Training -------------------------------------------------------------------------------


def _tools() -> Any:
    """Import what reads and prepares tables, which info and bench do not need."""
    for name in ("pandas", "safetensors", "sklearn"):
        optional(
            name,
            "tables are read with pandas, prepared with scikit-learn and models kept with "
            f"safetensors, and {name} is not installed: "
            "pip install pandas scikit-learn safetensors",
        )
    from swiftbackprop._cli import preprocessing, report, table

    return table, preprocessing, report


def _read(options: argparse.Namespace) -> Table:
    tabular, _, _ = _tools()
    reading = tabular.Reading(
        options.header,
        options.delimiter,
        options.encoding,
        options.decimal,
        options.thousands,
        frozenset(part for text in options.missing for part in text.split(",")),
    )
    table: Table = tabular.read_table(options.data, reading)
    return table


def _train(options: argparse.Namespace) -> None:
    comm = _processes()
    path = options.model or f"{Path(options.data).stem}.safetensors"
    as_target(path)  # fail before the work if the output cannot be written
    _, preprocessing, report = _tools()
    table = _read(options)
    name = _target_name(options.target, table)
    drop = _column_names(options.drop, table)
    numeric, text = (_column_names(given, table) for given in (options.numeric, options.text))
    column, classes = preprocessing.read_target(table, name, options.task, name in text)
    metric = options.metric
    _check_metric(metric, bool(classes))
    weights = _class_weight(options.class_weight, classes)
    rows = np.flatnonzero(column.notna())
    train, valid, test = _split(column, rows, bool(classes), options)
    _check_classes(metric, column[valid], classes)
    target = preprocessing.Target.learn(name, column, classes, train)
    features = [each for each in table.frame if each != name and each not in drop]
    preparation = preprocessing.Preparation.learn(table, features, target, train, numeric, text)
    batch_size = _batch_size(options, len(train))
    X = preparation.matrix(preparation.frame(table), options.dtype)
    y = target.encode(column)
    net = _network(options, preparation)
    best = sb.EarlyStopping(f"val_{metric}", patience=options.patience)
    of_train, of_valid = (part[_share(len(part), comm)] for part in (train, valid))
    history = net.fit(
        X[of_train],
        y[of_train],
        epochs=options.epochs,
        batch_size=batch_size,
        validation_data=(X[of_valid], y[of_valid]),
        class_weight=weights,
        metrics=[] if metric == "loss" else [metric],
        callbacks=[best],
        progress=not options.quiet and sys.stderr is not None,
        comm=comm,
    )
    if comm is not None and comm.Get_rank():
        return  # the first process writes and reports
    notes = {_NOTE: preparation.to_json()}
    files.save(net, path, optimizer=False, generator=False, notes=notes)
    if options.quiet:
        return
    for note in table.notes:
        _remark(note)
    for line in _description(table, preparation, column, drop):
        print(line)
    layers = "-".join(str(size) for size in net.sizes)
    print(f"network   {layers}, {net.n_parameters} parameters, {net.dtype}, seed {net.seed}")
    print(
        f"training  {len(train)} rows{_together(comm)}, {history.epochs} epochs in "
        f"{sum(history['seconds']):.2f} s; "
        f"the best was epoch {best.best_epoch + 1}, by the {metric} on {len(valid)} validation rows"
    )
    held = test if len(test) else valid
    kind = "test rows" if len(test) else "validation rows, which chose the epoch"
    shown = report.result(target, y[held], net.predict(X[held]), f"{len(held)} {kind}")
    for line in [*shown, f"saved     {path}"]:
        print(line)


def _processes() -> Any:
    """Return the processes of mpirun, or of what else starts processes of MPI; None without."""
    started = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK", "MPI_LOCALNRANKS")
    if not any(name in os.environ for name in started):
        return None
    mpi = optional(
        "mpi4py.MPI",
        "this process was started by mpirun, and mpi4py is not installed: pip install mpi4py",
    )
    return mpi.COMM_WORLD


def _together(comm: Any) -> str:
    return "" if comm is None else f" in {comm.Get_size()} processes"


def _share(rows: int, comm: Any) -> slice:
    """Return which rows are those of this process."""
    if comm is None:
        return slice(None)
    from swiftbackprop._train.processes import share_of

    return share_of(rows, comm)


def _target_name(wanted: str | None, table: Table) -> str:
    if wanted is not None:
        return wanted
    if not table.named:
        return str(list(table.frame)[-1])  # y, where it is there
    raise ValueError(f"name the column to predict with --target: {table.path}, {table.names()}")


def _column_names(given: Sequence[str], table: Table) -> list[str]:
    """Return columns that an option names, with commas between them or in their names."""
    names = []
    for text in given:
        for name in [text] if text in table.frame else text.split(","):
            names.append(name if name in table.frame else name.strip())
            if names[-1] not in table.left_out:
                table.column(names[-1])  # says so if there is none
    return names


def _check_metric(metric: str, classes: bool) -> None:
    wrong = sb.metrics.OF_NUMBERS if classes else sb.metrics.OF_CLASSES
    if metric in [function.__name__ for function in wrong]:
        raise ValueError(
            f"--metric {metric} is for {'numbers' if classes else 'classes'}, and the target is "
            f"{'classes' if classes else 'a number'}: see --task"
        )


def _class_weight(given: str | None, classes: Sequence[str]) -> Mapping[int, float] | str | None:
    """Return the weights of classes, from "balanced" or "yes=5,no=1"."""
    if given is None or (given == "balanced" and classes):
        return given
    if not classes:
        raise ValueError("--class-weight is for classes, and the target is a number: see --task")
    weights = {}
    # A comma or an equals sign may belong to the name of a class.
    for part in re.findall(r"[^,].*?=[^=,]*(?=,|$)|[^,]+", given) or [given]:
        name, _, number = part.rpartition("=")
        try:
            weights[classes.index(name.strip())] = as_amount(number)
        except (ValueError, argparse.ArgumentTypeError):
            raise ValueError(
                f'--class-weight must be balanced or such as "{classes[-1]}=5", got {part!r}; the '
                f"classes are {listed(classes, 20)}"
            ) from None
    return weights


def _split(
    column: Any, rows: npt.NDArray[np.int64], classes: bool, options: argparse.Namespace
) -> tuple[npt.NDArray[np.int64], ...]:
    """Return the rows to train on, to choose the epoch by, and to test with."""
    counts = [round(len(rows) * share) for share in (options.validation, options.test)]
    train = len(rows) - sum(counts)
    if not (counts[0] > 0 and train > 0 and (counts[1] > 0 or options.test == 0)):
        raise ValueError(
            f"--validation {options.validation} holds out {counts[0]} and --test {options.test} "
            f"{counts[1]} of {len(rows)} rows, which leaves {train} to train on: each part needs "
            "some (--test 0: none to test with)"
        )
    rest, test = _part(column, rows, counts[1], classes, options.seed)
    rest, valid = _part(column, rest, counts[0], classes, options.seed)
    return rest, valid, test


def _check_classes(metric: str, labels: Any, classes: Sequence[str]) -> None:
    missing = sorted(set(classes) - set(labels)) if metric == "auc" else []
    if missing:
        raise ValueError(
            f"--metric auc needs rows of every class to choose the epoch by, and the {len(labels)} "
            f"validation rows have none of {missing[0]!r}: give another --metric, or more rows by "
            "--validation"
        )


def _part(
    column: Any, rows: npt.NDArray[np.int64], count: int, classes: bool, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Cut some rows off by chance, with each class as frequent in both parts if that can be."""
    from sklearn.model_selection import train_test_split

    if not count:
        return rows, rows[:0]
    sizes = column[rows].value_counts() if classes else None
    fits = sizes is not None and sizes.min() >= 2 and len(sizes) <= min(count, len(rows) - count)
    labels = column[rows] if fits else None
    one, other = train_test_split(rows, test_size=count, stratify=labels, random_state=seed)
    return one, other


def _batch_size(options: argparse.Namespace, rows: int) -> int:
    """Return the rows of a minibatch; batch norm needs at least 2 in each."""
    wanted: int = options.batch_size or _BATCH_SIZE
    if options.norm != "batch" or rows < 2:  # a single row is refused by fit
        return wanted
    fitting = max(wanted, 2)
    while fitting < rows and rows % fitting == 1:
        fitting += 1
    if fitting != wanted and options.batch_size is not None:
        raise ValueError(
            f"--batch-size {wanted} leaves a minibatch of a single row of the {rows} to train on, "
            f"and batch norm needs at least 2: --batch-size {fitting} leaves none"
        )
    return fitting


def _network(options: argparse.Namespace, preparation: Preparation) -> sb.Network:
    given = {} if options.lr is None else {"lr": options.lr}
    return sb.Network(
        [preparation.inputs, *options.hidden, preparation.outputs],
        activation=options.activation,
        loss="cross_entropy" if preparation.target.classes else "squared_error",
        optimizer=sb.optimizer(options.optimizer, **given),
        l2=options.l2,
        dropout=options.dropout,
        norm=options.norm,
        seed=options.seed,
        dtype=options.dtype,
    )


def _description(
    table: Table, preparation: Preparation, column: Any, drop: Sequence[str]
) -> list[str]:
    """Return the lines that say what was taken for what."""
    from swiftbackprop._cli.columns import DATE, NUMBER, TEXT
    from swiftbackprop._cli.preprocessing import is_few

    target = preparation.target
    if target.classes:
        kind = f"{len(target.classes)} classes"
        if all(re.fullmatch(r"-?\d+", label) for label in target.classes):
            kind += " (--task regression: a number)"
    else:
        kind = "a number"
        values = column.dropna().unique()
        if is_few(values):
            kind += f" (--task classification: {len(values)} classes)"
    lines = [f"data      {table.path}: {table.rows} rows; {target.name!r} is {kind}"]
    if column.isna().any():
        count = int(column.isna().sum())
        lines.append(
            f"          {count} {'row' if count == 1 else 'rows'} without {target.name!r} left out"
        )
    for kind, title in ((NUMBER, "numbers"), (DATE, "dates")):
        if preparation.names(kind):
            lines.append(f"{title:<10}{listed(preparation.names(kind))}")
    texts = [f"{f.name} ({len(f.categories)})" for f in preparation.features if f.kind == TEXT]
    if texts:
        lines.append(f"texts     {listed(texts)}")
    whys: dict[str, list[str]] = {}
    for name, why in table.left_out.items():
        if name not in drop:
            whys.setdefault(why, []).append(name)
    lines.extend(f"left out  {listed(names)}: {why}" for why, names in whys.items())
    if drop:
        lines.append(f"left out  {listed(drop)}: --drop")
    return lines


# --- Prediction -----------------------------------------------------------------------------


def _predict(options: argparse.Namespace) -> None:
    net = sb.load(options.model)
    preparation = _preparation(options.model, net)
    table = _read(options)
    if preparation is not None:
        frame = preparation.frame(table)
        a = net.predict(preparation.matrix(frame, net.dtype))
        header, rows = _predictions(preparation.target, a, options.probabilities)
        remarks = preparation.unknown(frame)
    elif net.classes_ is not None:  # fit has met labels of text
        _, preprocessing, _ = _tools()
        classes = preprocessing.Target("class", 0.0, 1.0, tuple(net.classes_.tolist()))
        a = net.predict_proba(_numbers(table, net, options.model))
        header, rows = _predictions(classes, a, options.probabilities)
        remarks = []
    else:
        if options.probabilities:
            raise ValueError(f"{options.model} names no classes: leave --probabilities out")
        a = net.predict(_numbers(table, net, options.model))
        header = [f"a{place}" for place in range(a.shape[1])]
        rows = [[f"{value:.7g}" for value in row] for row in a]
        remarks = []
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    _write(text.getvalue(), options.output)
    for remark in [*table.notes, *remarks]:
        _remark(remark)


def _write(text: str, path: str | None) -> None:
    """Write to a file or to stdout, all or nothing."""
    if path is not None:
        write_whole(path, lambda file: file.write(text.encode()))
        return
    if sys.stdout is None:
        raise ValueError("there is no stdout to write to: give --output")
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"stdout is in {sys.stdout.encoding}, which has no {text[error.start]!r}: give "
            "--output, which writes UTF-8"
        ) from None
    sys.stdout.write(text)


def _preparation(model: str, net: sb.Network) -> Preparation | None:
    """Return what was done with the columns; it stands in a file, and may be anything."""
    notes = read_notes(model)
    if _NOTE not in notes:
        return None
    _, preprocessing, _ = _tools()
    try:
        preparation: Preparation = preprocessing.Preparation.from_json(notes[_NOTE])
        if (preparation.inputs, preparation.outputs) != (net.sizes[0], net.sizes[-1]):
            raise ValueError("its columns do not fit its network")
    except (ValueError, OverflowError, RecursionError) as error:
        raise ValueError(f"{model} is not read: {error}") from None
    return preparation


def _predictions(
    target: Target, a: FloatArray, probabilities: bool
) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows to write."""
    rows = [[text] for text in target.decode(a)]
    if not probabilities:
        return [target.name], rows
    if not target.classes:
        raise ValueError("the model predicts a number: leave --probabilities out")
    header = [target.name, *(f"p({label})" for label in target.classes)]
    for row, shares in zip(rows, a, strict=True):
        row.extend(f"{share:.7g}" for share in shares)
    return header, rows


def _numbers(table: Table, net: sb.Network, model: str) -> FloatArray:
    """Return a table of numbers alone as X of shape (N, D(0)), in their own dtype."""
    from swiftbackprop._cli.columns import as_numbers

    names = table.examples()
    why = f"is an input of {model}, which takes numbers"
    if len(names) != net.sizes[0]:
        raise ValueError(f"{table.path} has {len(names)} columns, and {model} takes {net.sizes[0]}")
    columns = [
        as_numbers(table, name, why) if table.frame[name].dtype == object else table.frame[name]
        for name in names
    ]
    return np.column_stack(columns)  # predict scales integers


def _export(options: argparse.Namespace) -> None:
    as_target(options.output)
    net = sb.load(options.model)
    preparation = _preparation(options.model, net)
    if preparation is None:
        net.to_onnx(options.output)
        return
    from swiftbackprop.sklearn import _onnx

    _onnx.write(preparation.pipeline(net), preparation.example(), options.output)


# --- Measurement ----------------------------------------------------------------------------


def _bench(options: argparse.Namespace) -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((12_800, 784), dtype=np.float32)
    y = rng.integers(0, 10, len(X))
    net = sb.Network([784, 128, 10], loss="cross_entropy", optimizer=sb.SGD(0.01), seed=0)
    print("784-128-10, float32, the best of 3; times depend on what else the machine does")
    for batch_size in (32, 128):
        keywords: dict[str, Any] = {"epochs": 1, "batch_size": batch_size, "progress": False}
        fit = _best_time(partial(net.fit, X, y, **keywords))
        steps = len(X) / batch_size
        print(f"fit       {fit / steps * 1e6:8.1f} us a step of {batch_size} rows")
    rows = len(X) / _best_time(lambda: net.predict(X))
    print(f"predict   {rows / 1e6:8.2f} million rows a second")
    single = _best_time(lambda: [net.predict(X[:1]) for _ in range(1000)]) / 1000
    print(f"predict   {single * 1e6:8.1f} us for one row")
    print("Beside NumPy, PyTorch, JAX and scikit-learn: `make bench` in the project's sources.")


def _best_time(work: Callable[[], object]) -> float:
    """Return the shortest of three times, in seconds, after one call to warm up."""
    times = []
    for _ in range(4):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times[1:])
