"""`Network.fit`: on arrays, pieces or streams, by one process or by several with own rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from swiftbackprop._net.checks import as_int
from swiftbackprop._net.labels import find_classes
from swiftbackprop._train import data
from swiftbackprop._train.evaluation import as_metrics
from swiftbackprop._train.fit import fit
from swiftbackprop._train.history import History
from swiftbackprop._train.options import Options
from swiftbackprop._train.row_stream import RowStream

if TYPE_CHECKING:
    from swiftbackprop._net.base import NetworkBase
    from swiftbackprop._train.processes import Processes


def fit_data(
    net: NetworkBase,
    X: Any,
    y: Any,
    options: Options,
    *,
    steps: int | None,
    stratify: bool,
    **given: Any,
) -> History:
    """Train on what X is; `given` are weights and validation data, as `Network.fit` takes them."""
    if options.processes is not None:
        _begin_together(net, options.processes, X, y, options, {"steps": steps, **given})
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
    processes, size = options.processes, options.batch_size
    pieces = data.gather_pieces(net, X, steps=steps, batch_size=size, processes=processes, **given)
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


def _begin_together(
    net: NetworkBase,
    processes: Processes,
    X: Any,
    y: Any,
    options: Options,
    others: Mapping[str, Any],
) -> None:
    """Agree with the other processes, of which there are some, on what all will train on."""
    from swiftbackprop._train import shared

    kind = "arrays" if y is not None else "a stream" if isinstance(X, RowStream) else "pieces"
    has_stream = isinstance(others["validation_data"], RowStream)
    # What decides which way all go.
    processes.agree(
        [
            ("X as", kind),
            ("validation_data as", "a stream" if has_stream else "arrays"),
            ("class_weight =", repr(others["class_weight"])),
            ("steps_per_epoch =", others["steps"]),
        ]
    )
    if kind != "arrays" or has_stream:
        names = list(as_metrics(options.metrics))
        names += ["a validation"] if others["validation_data"] is not None else []
        epochs, size = as_int(options.epochs, "epochs", min_=0), options.batch_size
        size = size if kind == "pieces" and size is None else options.batch_rows()
        shared.join(net, processes, epochs, size, options.row_order(), names)
        if kind == "pieces":
            net._classes = shared.find_classes_of_all(net, lambda: [], processes)
