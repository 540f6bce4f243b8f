"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
from collections.abc import Callable
from typing import IO

from swiftbackprop._net.checks import as_path

# What a file is called until it is whole; the number is that of the process.
_PASSING = re.compile(r"\.swiftbackprop-(\d{1,9})-[0-9a-f]{16}\.tmp")


def as_target(path: str | os.PathLike[str]) -> str:
    """Return the full name of a file that could be written, with links followed."""
    given = as_path(path)
    target = os.path.realpath(given)
    if os.path.isdir(target):
        raise IsADirectoryError(f"{target} is a folder: give the name of a file in it")
    if os.path.exists(target) and not os.path.isfile(target):
        raise FileExistsError(f"{target} is no regular file, and is not replaced by one")
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"there is no folder {folder}: {_missing_folder(given)}")
    return target


def _missing_folder(path: str) -> str:
    home = path.startswith("~")  # which a shell makes a folder of, and Python does not
    return "write os.path.expanduser(path) for ~" if home else "make it first"


def write_whole(path: str | os.PathLike[str], write: Callable[[IO[bytes]], object]) -> None:
    """Write a file that takes the place of `path` once it is whole and on the disk.

    It is written under a name of its own in the same folder, and keeps the permissions of the
    file that it replaces. After an error, or Ctrl-C at any moment, nothing is left of it. What a
    process left there that was killed while it wrote is removed.

    Parameters
    ----------
    path : str or path-like
        A link is followed.
    write : callable
        Is given the file.

    Raises
    ------
    OSError
        If the folder is missing or cannot be written to, or the disk is full.
    """
    target = as_target(path)
    folder = os.path.dirname(target)
    _clear(folder)
    passing = os.path.join(folder, f".swiftbackprop-{os.getpid()}-{secrets.token_hex(8)}.tmp")
    # One frame and no context manager of Python's: Ctrl-C may come between any two calls.
    try:
        with open(passing, "xb") as file:
            _lock(file)
            write(file)
            file.flush()
            try:
                mode = os.stat(target).st_mode
            except FileNotFoundError:
                mode = os.fstat(file.fileno()).st_mode
            os.fchmod(file.fileno(), mode & 0o7777)
            os.fsync(file.fileno())
            os.replace(passing, target)
    except BaseException as error:
        try:  # noqa: SIM105
            os.unlink(passing)
        except FileNotFoundError:
            pass
        if isinstance(error, OSError) and error.filename is None:
            error.filename = target
        raise
    _sync(folder)


def _lock(file: IO[bytes]) -> None:
    """Show that a file is being written, for as long as it is open."""
    with contextlib.suppress(OSError):  # a file system without locks
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _clear(folder: str) -> None:
    """Remove what processes left that are dead: neither their number nor their lock is there.

    The number alone would say so of a process of another machine or container that writes to
    the same folder, the lock alone of one that has just made its file.
    """
    for name in os.listdir(folder):
        found = _PASSING.fullmatch(name)
        if found is None or _is_alive(int(found[1])):
            continue
        with contextlib.suppress(OSError), open(os.path.join(folder, name), "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(file.name)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # of another user
    return True


def _sync(folder: str) -> None:
    """Wait until a folder is on the disk."""
    handles: list[int] = []
    try:
        # The number is in the list before Ctrl-C can come.
        handles.extend(map(os.open, [folder], [os.O_RDONLY]))
        os.fsync(handles[0])
    finally:
        for handle in handles:
            os.close(handle)
