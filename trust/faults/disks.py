"""Full disks and folders that cannot be written to, on file systems of their own."""

from __future__ import annotations

import ctypes
import errno
import itertools
import os
import random
import resource
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from trust.child import forked
from trust.faults.writers import WRITERS, left_over, prepared, problem, warm_up

_NEWNS, _NEWUSER = 0x00020000, 0x10000000
_REMOUNT, _READ_ONLY, _PRIVATE = 32, 1, 1 << 18 | 1 << 14
_PAGE = 4096
_NOBODY = 65534
_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


def full(rng: random.Random, count: int) -> Iterator[str]:
    """Write where less and less is free, or files may not be longer than so much."""
    warm_up()
    ways = [_with_short_files, *([_with_little_space] if _can_mount() else [])]
    for k, name in enumerate(itertools.islice(itertools.cycle(WRITERS), count)):
        free = rng.randrange(12) * _PAGE if k // len(WRITERS) else 0
        how = rng.choice(ways)
        yield _in_a_child(partial(how, name, free))


def read_only(rng: random.Random, count: int) -> Iterator[str]:
    """Write to a file system that is read-only, and to a folder of somebody else's."""
    warm_up()
    ways = [_folder_of_others, *([_read_only_system] if _can_mount() else [])]
    cases = itertools.product(WRITERS, ways)
    for name, how in itertools.islice(cases, max(count, 2 * len(WRITERS))):
        yield _in_a_child(partial(how, name))


def _can_mount() -> bool:
    """Whether this process may: within many containers not even root may."""
    return not _in_a_child(partial(_mounted, 1 << 20))


def _in_a_child(work: Callable[[], object]) -> str:
    ending = forked(work)
    return f"{ending.how}\n{ending.output[-2000:]}" if ending.how else ""


def _system() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _done(status: int) -> None:
    if status:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _mounted(size: int) -> Path:
    """Mount a file system of so many bytes that this process alone sees."""
    folder = Path(tempfile.mkdtemp())
    flags = _NEWNS | (0 if os.geteuid() == 0 else _NEWUSER)
    _done(_system().unshare(flags))
    _done(_system().mount(None, b"/", None, _PRIVATE, None))
    where, options = os.fsencode(folder), f"size={size}".encode()
    _done(_system().mount(b"none", where, b"tmpfs", 0, options))
    return folder


def _with_little_space(name: str, free: int) -> None:
    folder = _mounted(1 << 20)
    path = prepared(name, folder)
    room = os.statvfs(folder)
    filler = folder / "filler"
    filler.write_bytes(b"x" * max(room.f_bavail * room.f_frsize - free, 0))
    _refused_or_done(name, path)
    filler.unlink()
    _works_again(name, path)


def _with_short_files(name: str, free: int) -> None:
    path = prepared(name, Path(tempfile.mkdtemp()))
    no_limit = resource.RLIM_INFINITY
    resource.setrlimit(resource.RLIMIT_FSIZE, (free // 4, no_limit))
    _refused_or_done(name, path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (no_limit, no_limit))
    _works_again(name, path)


def _refused_or_done(name: str, path: Path) -> None:
    try:
        WRITERS[name].write(path, 1)
    except OSError as error:
        if error.errno not in (None, *_FULL):
            raise
    _look(name, path)


def _works_again(name: str, path: Path) -> None:
    WRITERS[name].write(path, 2)
    _look(name, path)


def _look(name: str, path: Path) -> None:
    found = problem(name, path) or left_over(path.parent)
    assert not found, found


def _read_only_system(name: str) -> None:
    folder = _mounted(1 << 20)
    path = prepared(name, folder)
    before = path.read_bytes()
    _done(_system().mount(None, os.fsencode(folder), None, _REMOUNT | _READ_ONLY, None))
    _is_refused(name, path, before)


def _folder_of_others(name: str) -> None:
    folder = Path(tempfile.mkdtemp())
    path = prepared(name, folder)
    before = path.read_bytes()
    folder.chmod(0o555)
    for found in folder.iterdir():
        found.chmod(0o444)
    if os.geteuid() == 0:  # whom no permission stops
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    _is_refused(name, path, before)


def _is_refused(name: str, path: Path, before: bytes) -> None:
    try:
        WRITERS[name].write(path, 1)
    except OSError as error:
        if error.errno not in (None, errno.EROFS, errno.EACCES, errno.EPERM):
            raise
    else:
        raise AssertionError(f"{name} wrote where nothing can be written")
    assert path.read_bytes() == before
    _look(name, path)
