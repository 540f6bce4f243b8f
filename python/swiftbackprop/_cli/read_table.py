"""Tables of any kind, by the ending of a file's name."""

from __future__ import annotations

from swiftbackprop._cli.array_table import READERS
from swiftbackprop._cli.parser import ENDINGS, TEXT, ending_of
from swiftbackprop._cli.table import Reading, Table
from swiftbackprop._cli.text_table import read_text


def read_table(path: str, reading: Reading) -> Table:
    """Read a table by the ending of its name."""
    ending = ending_of(path)
    if ending not in ENDINGS or (path.lower().endswith(".gz") and ending not in TEXT):
        raise ValueError(f"{path} cannot be read: its name must end in one of {', '.join(ENDINGS)}")
    with open(path, "rb"):  # raises Python's own OSError, not a package's
        pass
    table = (read_text if ending in TEXT else READERS[ending])(path, reading)
    if not table.rows or not len(table.frame.columns):
        raise ValueError(f"{path} has no rows")
    return table
