"""Files by their names, patterns and folders, and what opens them."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from swiftbackprop._net.checks import got, listed
from swiftbackprop._net.optional import optional

NOT_UTF8 = (
    "is not UTF-8: save it so, or give format=pyarrow.dataset.CsvFileFormat("
    "read_options=pyarrow.csv.ReadOptions(encoding='latin-1'))"
)
DECIMAL_COMMAS = (
    "; numbers with decimal commas need format=pyarrow.dataset.CsvFileFormat("
    "convert_options=pyarrow.csv.ConvertOptions(decimal_point=','))"
)

_FORMATS = {
    **dict.fromkeys((".parquet", ".pq"), "parquet"),
    **dict.fromkeys((".arrow", ".feather", ".ipc"), "feather"),
    **dict.fromkeys((".csv", ".tsv"), "csv"),
    ".orc": "orc",
    **dict.fromkeys((".jsonl", ".ndjson"), "json"),
}
_PACKED = (".gz", ".bz2", ".lz4")
_NOT_UNPACKED = (".zst", ".xz", ".zip", ".br")  # which pyarrow would read as they are


def pyarrow_module() -> Any:
    """Return pyarrow, or say how to install it."""
    words = "sb.data.stream reads tables by pyarrow, which is not installed: pip install pyarrow"
    optional("pyarrow.dataset", words)
    return optional("pyarrow", words)


def find_files(source: Any) -> list[str]:
    """Return the files that names and patterns mean, those of a pattern sorted."""
    given = [source] if isinstance(source, str | Path) else source
    if not isinstance(given, Sequence) or not all(isinstance(p, str | Path) for p in given):
        raise TypeError(
            "a stream needs a path, a pattern such as 'part-*.parquet', a list of paths, a "
            f"pyarrow Dataset, a datasets.Dataset, or an array with target=array, got {got(source)}"
        )
    files: list[str] = []
    for name in map(os.fspath, given):
        found = sorted(glob.glob(name, recursive=True))
        is_address = "://" in name
        if not found and not is_address:
            raise FileNotFoundError(f"there is no file {name}")
        files += found or [name]
    if not files:
        raise FileNotFoundError("the list of files is empty")
    return files


def _first_of(name: str) -> str:
    """Return the first file in a folder that pyarrow sees, and what is no folder as it is."""
    if not os.path.isdir(name):
        return name
    for root, folders, names in os.walk(name, followlinks=True):
        folders[:] = sorted(folder for folder in folders if folder[0] not in "._")
        for file in sorted(names):
            if file[0] not in "._":
                return os.path.join(root, file)
    raise FileNotFoundError(f"there is no file in {name}")


def _format_of(name: str) -> Any:
    """Return the format that the end of a name says."""
    import pyarrow.csv
    import pyarrow.dataset as ds

    suffixes = [end.lower() for end in Path(name).suffixes if end.lower() not in _PACKED]
    end = suffixes[-1] if suffixes else ""
    if end not in _FORMATS:
        raise ValueError(
            f"{name}: the format is not told by the end of the name: give format="
            f"{listed(dict.fromkeys(map(repr, _FORMATS.values())))}"
        )
    if end == ".tsv":
        return ds.CsvFileFormat(parse_options=pyarrow.csv.ParseOptions(delimiter="\t"))
    return _FORMATS[end]


def open_dataset(source: Any, format: Any) -> Any:
    """Return the pyarrow Dataset of some files."""
    import pyarrow
    import pyarrow.dataset as ds

    if isinstance(source, ds.Dataset):
        return source
    files = find_files(source)
    first = _first_of(files[0])
    _refuse_packed((first, *files))
    format = _format_of(first) if format is None else format
    place: Any = files[0] if len(files) == 1 else files
    try:
        dataset = ds.dataset(place, format=format, partitioning="hive")
    except (pyarrow.ArrowException, ValueError, OSError) as error:
        words = " ".join(str(error).split())
        raise type_of(error)(f"{files[0]} cannot be read: {words}") from error
    _refuse_packed(dataset.files)  # of a folder also those behind the first
    return dataset


def _refuse_packed(files: Sequence[str]) -> None:
    for name in files:
        if name.lower().endswith(_NOT_UNPACKED):
            raise ValueError(
                f"{name} is compressed, and pyarrow's data sets read {', '.join(_PACKED)} alone: "
                "unpack it, or write Parquet, which is compressed inside"
            )


def delimited(names: Sequence[str]) -> str:
    """Return what to write for text whose columns are not separated by commas; "" for others."""
    mark = next((mark for mark in ";\t|" if len(names) == 1 and mark in names[0]), "")
    return mark and (
        f": if {mark!r} stands between the columns, give format=pyarrow.dataset.CsvFileFormat("
        f"parse_options=pyarrow.csv.ParseOptions(delimiter={mark!r}))"
    )


def type_of(error: BaseException) -> type[Exception]:
    """Return OSError for what failed in reading, ValueError for what was read and is wrong."""
    return OSError if isinstance(error, OSError) else ValueError
