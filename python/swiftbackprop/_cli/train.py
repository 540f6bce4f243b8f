"""The command that trains on a table."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import swiftbackprop as sb
from swiftbackprop._cli.common import NOTE, as_output, read, remark, tools
from swiftbackprop._cli.parser import as_amount
from swiftbackprop._export import files
from swiftbackprop._net.checks import listed
from swiftbackprop._net.optional import optional

if TYPE_CHECKING:
    from swiftbackprop._cli.preprocessing import Preparation
    from swiftbackprop._cli.table import Table


_BATCH_SIZE = 32  # unless told


def train(options: argparse.Namespace) -> None:
    comm = _processes()
    path = options.model or f"{Path(options.data.removesuffix('.gz')).stem}.safetensors"
    as_output(path, "--model", options.data)
    preprocessing, report = tools()
    from swiftbackprop._cli.target import Target, read_target

    table = read(options)
    name = _target_name(options.target, table)
    drop = _column_names(options.drop, table)
    numeric, text = (_column_names(given, table) for given in (options.numeric, options.text))
    _check_one_kind({"--drop": drop, "--numeric": numeric, "--text": text})
    column, classes = read_target(table, name, options.task, name in text)
    metric = options.metric
    _check_metric(metric, bool(classes))
    weights = _class_weight(options.class_weight, classes)
    rows = np.flatnonzero(column.notna())
    train, valid, test = _split(column, rows, bool(classes), options)
    _check_classes(metric, column[valid], classes)
    target = Target.learn(name, column, classes, train)
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
    notes = {NOTE: preparation.to_json()}
    files.save(net, path, optimizer=False, generator=False, notes=notes)
    if options.quiet:
        return
    for note in table.notes:
        remark(note)
    for line in _description(table, preparation, column, drop):
        print(line)
    layers = "-".join(str(size) for size in net.sizes)
    print(f"network   {layers}, {net.n_parameters} parameters, {net.dtype}, seed {net.seed}")
    together = "" if comm is None else f" in {comm.Get_size()} processes"
    print(
        f"training  {len(train)} rows{together}, {history.epochs} epochs in "
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


def _share(rows: int, comm: Any) -> slice:
    """Return which rows are those of this process."""
    if comm is None:
        return slice(None)
    from swiftbackprop._train.communicator import share_of

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


def _check_one_kind(named: Mapping[str, Sequence[str]]) -> None:
    """Refuse a column that two options name, of which only one could have its way."""
    for (one, columns), (other, others) in combinations(named.items(), 2):
        for name in columns:
            if name in others:
                raise ValueError(f"{one} and {other} both name {name!r}: give one of them")


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
        precision=options.precision,
    )


def _description(
    table: Table, preparation: Preparation, column: Any, drop: Sequence[str]
) -> list[str]:
    """Return the lines that say what was taken for what."""
    from swiftbackprop._cli.columns import DATE, NUMBER, TEXT
    from swiftbackprop._cli.target import is_few

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
