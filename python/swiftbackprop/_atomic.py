"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator

__all__ = ["as_target", "replacing"]


def as_target(path: str | os.PathLike[str]) -> str:
    """Return the full name of a file that could be written, with links followed.

    Raises
    ------
    OSError
        If it is a folder, in none, or a device or a pipe, which a file would take the place of.
    """
    target = os.path.realpath(os.fsdecode(path))
    if os.path.isdir(target):
        raise IsADirectoryError(f"{target} is a folder: give the name of a file in it")
    if os.path.exists(target) and not os.path.isfile(target):
        raise FileExistsError(f"{target} is no regular file, and is not replaced by one")
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"there is no folder {folder}: make it first")
    return target


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[str]:
    """Give the name of a new, empty file that takes the place of `path` in the end.

    It lies in the same folder, reaches the disk before it gets its name, and keeps the
    permissions of the file that it replaces. After an error nothing has changed.

    Parameters
    ----------
    path : str or path-like
        A link is followed.

    Raises
    ------
    OSError
        If the folder is missing or cannot be written to, or the disk is full.
    """
    target = as_target(path)
    folder = os.path.dirname(target)
    passing = os.path.join(folder, f".{secrets.token_hex(8)}.tmp")
    handle = os.open(passing, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        mode = os.fstat(handle).st_mode
        os.close(handle)
        with contextlib.suppress(FileNotFoundError):
            mode = os.stat(target).st_mode
        yield passing
        os.chmod(passing, mode & 0o7777)
        _sync(passing)
        os.replace(passing, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(passing)
        raise
    _sync(folder)


def _sync(path: str) -> None:
    """Wait until a file or a folder is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
