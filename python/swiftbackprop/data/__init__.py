"""Rows that are read from files while a network trains on those before.

`stream` makes of Parquet, Arrow and CSV files, of .npy files and of data sets of Hugging Face what
`Network.fit`, `evaluate` and `predict` take in place of arrays. For tables pyarrow must be there
(extra `data`); it is imported when it is needed.
"""

from __future__ import annotations

from swiftbackprop.data._stream import Stream, stream

__all__ = ["Stream", "stream"]
