"""A file in memory that the processes of one machine have open together."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from swiftbackprop._train.processes import Processes

_NAME = "swiftbackprop"
_MARK_BYTES = 16


@contextmanager
def file_of_all(processes: Processes) -> Iterator[int | None]:
    """Open a file that has no name on all processes; give None if one of them cannot.

    So it is on several machines, in containers that do not see each other, and on systems other
    than Linux.
    """
    file, told = None, None
    try:
        if processes.is_first and hasattr(os, "memfd_create"):
            try:
                file = os.memfd_create(_NAME)
                mark = secrets.token_bytes(_MARK_BYTES)
                os.write(file, mark)
                told = os.getpid(), file, mark
            except OSError:  # not allowed, or no memory
                pass
        told = processes.from_first(told)
        if told is not None and not processes.is_first:
            file = _open(*told)
        is_open = told is not None and file is not None
        yield file if all(processes.gather(is_open)) else None
    finally:
        if file is not None:
            os.close(file)


def _open(process: int, descriptor: int, mark: bytes) -> int | None:
    """Open what another process has open, if it is on this machine."""
    path = f"/proc/{process}/fd/{descriptor}"
    try:
        # That of another machine's process may be anything.
        if not os.readlink(path).startswith(f"/memfd:{_NAME}"):
            return None
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if os.pread(file, _MARK_BYTES, 0) == mark:
            return file
    except OSError:
        pass
    os.close(file)
    return None
