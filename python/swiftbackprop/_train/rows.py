"""`Network.fit`: on arrays, pieces or streams, by one process or by several with own rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from swiftbackprop._net.checks import as_int, got
from swiftbackprop._net.labels import find_classes
from swiftbackprop._train import data
from swiftbackprop._train.evaluation import as_metrics
from swiftbackprop._train.fit import fit
from swiftbackprop._train.history import History
from swiftbackprop._train.options import Options
from swiftbackprop._train.row_stream import RowStream

if TYPE_CHECKING:
    from swiftbackprop._net.base import NetworkBase

__all__ = ["fit_data"]


def fit_data(
    net: NetworkBase,
    X: Any,
    y: Any,
    options: Options,
    *,
    comm: Any,
    steps: int | None,
    stratify: bool,
    **given: Any,
) -> History:
    """Train on what X is; `given` are weights and validation data, as `Network.fit` takes them."""
    if comm is not None and _count_processes(comm) > 1:
        return _fit_together(net, comm, X, y, options, steps, {"stratify": stratify, **given})
    if y is not None:
        if isinstance(X, RowStream):
            raise ValueError("y comes with the stream: give stream(..., target=...)")
        if steps is not None:
            raise ValueError("steps_per_epoch needs data in pieces, without y")
        return _fit_arrays(net, X, y, options, stratify=stratify, **given)
    if stratify:
        raise ValueError("stratify=True needs arrays: give X and y, and validation_split")
    if isinstance(X, RowStream):
        return _fit_stream(net, X, options, steps=steps, **given)
    pieces = data.gather_pieces(net, X, steps=steps, batch_size=options.batch_size, **given)
    return fit(net, pieces, options)


def _fit_stream(net: NetworkBase, stream: RowStream, options: Options, **keywords: Any) -> History:
    from swiftbackprop._train import streams

    before, made = net._classes, net.step_count
    try:
        return fit(net, *streams.gather_stream(net, stream, options, **keywords))
    except (TypeError, ValueError, OSError):
        if net.step_count == made:
            net._classes = before  # what could not be used was not learnt
        raise


def _fit_arrays(
    net: NetworkBase,
    X: Any,
    y: Any,
    options: Options,
    *,
    class_weight: Mapping[Any, float] | str | None,
    **others: Any,
) -> History:
    """Train on arrays; `others` are what `data.gather` takes."""
    processes = options.processes
    before, steps = net._classes, net.step_count
    if processes is None:
        net._classes = find_classes(net, y)
    else:
        from swiftbackprop._train import shared

        net._classes = shared.find_classes_of_all(net, lambda: shared.text_in(y), processes)
    try:
        given = others["validation_data"]
        if isinstance(given, RowStream):
            if others["validation_split"] or others["stratify"]:
                raise ValueError("give either validation_split or validation_data, not both")
            from swiftbackprop._train import streams

            validated = streams.gather_with_stream(
                net,
                X,
                y,
                options,
                sample_weight=others["sample_weight"],
                class_weight=class_weight,
                validation_data=given,
            )
            return fit(net, *validated)
        rows = data.gather(net, X, y, **others, is_shared=processes is not None)
        if processes is None:
            rows = data.with_class_weight(net, rows, class_weight)
        else:
            rows = data.with_class_weight(net, rows, class_weight, processes.sum)
            rows = shared.complete(net, rows, processes)
        return fit(net, rows, options)
    except (TypeError, ValueError):
        if net.step_count == steps:
            net._classes = before  # what could not be used was not learnt
        raise


def _count_processes(comm: Any) -> int:
    if not all(hasattr(comm, name) for name in ("Get_rank", "Get_size", "Iallreduce", "Dup")):
        raise TypeError(
            f"comm must be a communicator of mpi4py such as MPI.COMM_WORLD, got {got(comm)}"
        )
    return int(comm.Get_size())


def _fit_together(
    net: NetworkBase,
    comm: Any,
    X: Any,
    y: Any,
    options: Options,
    steps_per_epoch: int | None,
    others: Mapping[str, Any],
) -> History:
    """Train with the other processes of a communicator, of which there are some.

    Raises
    ------
    ValueError
        For data in pieces.
    """
    from swiftbackprop._train import shared
    from swiftbackprop._train.processes import Processes

    is_stream = isinstance(X, RowStream)
    has_stream = isinstance(others["validation_data"], RowStream)
    with Processes(comm) as processes:
        options = replace(options, processes=processes)
        if is_stream != (y is None) or steps_per_epoch is not None:
            raise ValueError(
                "comm takes X and y as arrays, or a stream without y, and an epoch is all rows: "
                "not data in pieces, and no steps_per_epoch; each process gives the rows it has"
            )
        # What decides which way all go.
        kinds = "arrays", "a stream"
        processes.agree(
            [
                ("X as", kinds[is_stream]),
                ("validation_data as", kinds[has_stream]),
                ("class_weight =", repr(others["class_weight"])),
            ]
        )
        if not is_stream and not has_stream:
            return _fit_arrays(net, X, y, options, **others)
        epochs, size = as_int(options.epochs, "epochs", min_=0), options.batch_rows()
        names = list(as_metrics(options.metrics))
        names += ["a validation"] if others["validation_data"] is not None else []
        shared.join(net, processes, epochs, size, bool(options.shuffle), names)
        if not is_stream:
            return _fit_arrays(net, X, y, options, **others)
        if others["stratify"]:
            raise ValueError("stratify=True needs arrays: give X and y, and validation_split")
        given = {name: value for name, value in others.items() if name != "stratify"}
        return _fit_stream(net, X, options, steps=None, **given)
