"""`stream`: rows of files for `fit`, `evaluate` and `predict`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from typing import Any

from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.base import NetworkBase
from swiftbackprop._net.checks import as_int, got
from swiftbackprop._net.names import known_keywords
from swiftbackprop._train.row_stream import Demand, Epochs, Piece, RowStream
from swiftbackprop._train.stream_validation import predict_stream
from swiftbackprop.data._arrays import ArrayFiles, is_arrays
from swiftbackprop.data._files import TableFiles
from swiftbackprop.data._hugging_face import HuggingFaceRows, is_saved
from swiftbackprop.data._pieces import Free, ReadEpochs, TrainingRows, cut, give_back, rows_of_units
from swiftbackprop.data._read_ahead import ReadAhead
from swiftbackprop.data._source import Block, Source
from swiftbackprop.data._table import Table

# By default a block has about so many bytes, and a window.
_BLOCK_BYTES = 1 << 24
_WINDOW_BYTES = 1 << 26
_PEEK = 16  # rows that are read to see what X will be


class Stream(RowStream):
    """Rows that are read while a network works; made by `stream`.

    It can be given to ``net.fit``, ``evaluate``, ``predict`` and as ``validation_data``. Iterated
    over, it yields pieces ``(X, y)`` or ``(X, y, sample_weight)`` of `batch_rows` rows, in the
    order of the files; X alone without a target.

    Attributes
    ----------
    rows : int or None
        How many there are; None for text files, which do not tell.
    inputs : int
        The number of columns of X, behind the transform.
    batch_rows, window, read_ahead : int
        As for `stream`.
    """

    def __init__(
        self, source: Source, batch_rows: int | None, window: int | None, read_ahead: int
    ) -> None:
        self._source, self.read_ahead = source, read_ahead
        self._batch_rows, self._window = batch_rows, window

    @cached_property
    def _first(self) -> Block:
        """The first rows, to see what there is."""
        for unit in self._source.units:
            for block in self._source.blocks(unit, _PEEK, Demand(measures=True)):
                if len(block.X):
                    return block
        raise ValueError("there are no rows in this stream")

    @property
    def rows(self) -> int | None:
        """How many rows there are; None if only reading them all would tell."""
        return self._source.rows

    @property
    def inputs(self) -> int:
        """The number of columns of X."""
        return int(self._first.X.shape[1])

    @property
    def has_target(self) -> bool:
        """Whether there is a target."""
        return self._source.has_target

    @property
    def target_is_text(self) -> bool:
        """Whether the target holds labels of text."""
        return self._source.target_is_text

    @property
    def batch_rows(self) -> int:
        """Rows that are read at a time."""
        return self._batch_rows or min(1 << 16, self._rows_in(_BLOCK_BYTES))

    @property
    def window(self) -> int:
        """Rows that are shuffled together."""
        return self._window or max(self._batch_rows or 1, self._rows_in(_WINDOW_BYTES))

    def _rows_in(self, size: int) -> int:
        return max(1, size // (4 * self.inputs))

    def labels(self) -> list[str]:
        """Return the labels of text in the target, sorted: a pass over that column."""
        return self._source.labels()

    def targets(self, demand: Demand) -> Iterator[FloatArray]:
        """Go through the target alone."""
        return self._source.targets(demand)

    def pieces(self, demand: Demand) -> Iterator[Piece]:
        """Go through all rows in their order, read ahead."""
        free: Free = deque()
        for piece in ReadAhead(self._in_order(demand, free), self.read_ahead):
            yield piece
            give_back(piece, free)

    def _in_order(self, demand: Demand, free: Free | None = None) -> Iterator[Piece]:
        rows = self.batch_rows if self.rows is None else max(1, min(self.batch_rows, self.rows))
        blocks = rows_of_units(self._source, self._source.units, rows, demand)
        return cut(blocks, iter(lambda: rows, 0), demand, free)

    def epochs(
        self,
        demand: Demand,
        count: int,
        batch_size: int,
        steps: int | None,
        order: Callable[[int, int], FloatArray] | None,
    ) -> Epochs:
        """Return the epochs of a training."""
        sizes = self.batch_rows, self.window
        rows = TrainingRows(self._source, demand, count, batch_size, steps, order, *sizes)
        return ReadEpochs(rows, self.read_ahead)

    def _predict_by(self, net: NetworkBase) -> FloatArray:
        """Return a(L) of all rows; `Network.predict` calls it."""
        return predict_stream(net, self)

    def __iter__(self) -> Iterator[Any]:
        for X, y, weights in self._in_order(Demand()):
            yield X if y is None else (X, y) if weights is None else (X, y, weights)

    def __len__(self) -> int:
        """Return the number of pieces that an iteration yields."""
        if not self.rows:
            if self.rows is None:
                raise TypeError("the number of rows is not known before they are read")
            return 0
        return -(-self.rows // self.batch_rows)

    def __repr__(self) -> str:
        if self.rows == 0:
            return "Stream(no rows)"
        rows = "rows" if self.rows is None else f"{self.rows} rows"
        files = len({unit.file for unit in self._source.units})
        return f"Stream({rows} of {self.inputs} columns, {files} files, window={self.window})"


@known_keywords
def stream(
    source: Any,
    *,
    target: Any = None,
    features: Sequence[str] | None = None,
    sample_weight: Any = None,
    transform: Any = None,
    batch_rows: int | None = None,
    window: int | None = None,
    read_ahead: int = 1,
    format: Any = None,
) -> Stream:
    """Return rows of files as a stream, which may be larger than memory.

    Parameters
    ----------
    source : path, pattern, list of paths, array or data set
        Parquet, Arrow (IPC, Feather), CSV, ORC or lines of JSON, text also as .gz, .bz2 or .lz4:
        a file, a folder, a pattern such as ``"part-*.parquet"``, or a ``pyarrow.dataset.Dataset``,
        by which files may also lie elsewhere. Or X as .npy files or an array, such as a map. Or a
        data set of Hugging Face: a ``datasets.Dataset``, or the folder that its ``save_to_disk``
        wrote.
    target : str or list of str, optional
        The column with y, or the columns; of arrays y itself, as an array or as .npy files. Labels
        of text become ``net.classes_``. Without a target a stream is for `predict` alone.
    features : list of str, optional
        The columns of X, in this order; by default those `transform` was fitted with, or all
        others but the index of a frame of pandas and a first column without a name. A column of
        lists of one length, such as an image, counts as many columns.
    sample_weight : str, optional
        The column with weights of the rows; of arrays these themselves.
    transform : object with ``transform`` or callable, optional
        A fitted preprocessor of scikit-learn, say, which makes X of some rows at a time. It gets
        a frame of pandas if it was fitted with names of columns or the columns are no numbers, else
        an array.
    batch_rows : int, optional
        Rows that are read and transformed at a time; by default about 16 MB of them.
    window : int, optional
        Rows that are held and shuffled together; by default about 64 MB of them.
    read_ahead : int, default 1
        Windows that are read by a thread while the network trains on another; 0 for no thread.
    format : str or pyarrow.dataset.FileFormat, optional
        Of the files, where the ends of their names do not say it.

    Returns
    -------
    Stream

    Raises
    ------
    ValueError, TypeError, OSError
        If a file cannot be read, or has not the columns; naming file and column.
    ImportError
        If a library is missing.

    Notes
    -----
    `fit` shuffles by units, which are row groups of Parquet, record batches of Arrow, whole files
    of text and runs of `batch_rows` rows of arrays: their order is drawn from the network's seed
    and its count of steps, rows of a window are shuffled together. Memory is for ``read_ahead + 1``
    windows and what reading takes: of Parquet a page and a buffer of each column, of Arrow a
    record batch.

    Examples
    --------
    >>> import numpy as np, swiftbackprop as sb
    >>> X = np.linspace(-1, 1, 200)[:, None]
    >>> rows = sb.data.stream(X, target=X[:, 0] ** 2, batch_rows=50)
    >>> rows.rows, len(rows)
    (200, 4)
    >>> net = sb.Network([1, 8, 1], activation="tanh", seed=0)
    >>> history = net.fit(rows, epochs=2, progress=False)
    >>> net.step_count  # of 32 rows
    14
    """
    size = None if batch_rows is None else as_int(batch_rows, "batch_rows", min_=1)
    held = None if window is None else as_int(window, "window", min_=1)
    ahead = as_int(read_ahead, "read_ahead", min_=0)
    if transform is not None and not hasattr(transform, "transform") and not callable(transform):
        raise TypeError(
            f"transform must have a method transform or be a function, got {got(transform)}"
        )
    _check_fitted(transform)
    roles = {"target": target, "sample_weight": sample_weight, "features": features}
    table = partial(Table, **roles, transform=transform)
    chosen: Source
    if is_arrays(source):
        if features is not None:
            raise ValueError("features are names of columns, which arrays have not")
        chosen = ArrayFiles(source, target, sample_weight, size, transform)
    elif is_saved(source) or _is_hugging_face(source):
        chosen = HuggingFaceRows(source, size, table)
    else:
        chosen = TableFiles(source, format, table)
    return Stream(chosen, size, held, ahead)


def _is_hugging_face(source: Any) -> bool:
    return type(source).__module__.partition(".")[0] == "datasets" and hasattr(source, "features")


def _check_fitted(transform: Any) -> None:
    """Raise scikit-learn's error if a transformer of it is not fitted."""
    if hasattr(transform, "get_params") and hasattr(transform, "transform"):
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(transform)
