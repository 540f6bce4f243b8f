"""Work in processes of its own: what ended them, and where they stood."""

from __future__ import annotations

import faulthandler
import mmap
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
# Seconds without a new case until a process counts as hanging. No call that is made takes
# a tenth of it.
PATIENCE = 60.0
_LENGTH = 1 << 16


class Ending(NamedTuple):
    """How a process ended; `how` is empty if it ended well."""

    how: str
    output: str


class Position:
    """What a process is at: a number and a text, in a file that another process sees too.

    They are there whatever ends the process.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            path.write_bytes(bytes(_LENGTH))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _LENGTH)
        self._end = 8

    def begin(self, number: int) -> None:
        """Begin a case: its number, and no text."""
        self._memory[:16] = number.to_bytes(8, "little") + bytes(8)
        self._end = 8

    def add(self, line: str) -> None:
        """Add what is about to be done; what finds no room is left out."""
        data = line.encode("utf-8", "backslashreplace") + b"\n\0"
        if self._end + len(data) <= _LENGTH:
            self._memory[self._end : self._end + len(data)] = data
            self._end += len(data) - 1

    @property
    def number(self) -> int:
        """The number of the last case that was begun."""
        return int.from_bytes(self._memory[:8], "little")

    @property
    def text(self) -> str:
        """What was done in it."""
        return bytes(self._memory[8:]).partition(b"\0")[0].decode()


def named(code: int) -> str:
    """Say how a process ended, by its return code; nothing if it ended well."""
    if code == 0:
        return ""
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"


def watch(command: Sequence[str], position: Position) -> Ending:
    """Run a command that writes where it stands, and end it when it stands still."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, cwd=ROOT)
        last, since, hangs = -1, time.monotonic(), False
        while process.poll() is None:
            time.sleep(0.02)
            if position.number != last:
                last, since = position.number, time.monotonic()
            elif time.monotonic() - since > PATIENCE:
                hangs = True
                process.send_signal(signal.SIGABRT)  # faulthandler says where it is
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
        said.seek(0)
        how = f"hangs ({PATIENCE:g} s)" if hangs else named(process.returncode)
        return Ending(how, said.read())


def forked(work: Callable[[], object], *, seconds: float = PATIENCE) -> Ending:
    """Run `work` in a copy of this process; an exception of it is how it ended."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        process = os.fork()
        if process == 0:
            _be_the_child(work, said.fileno())
        how = waited(process, seconds)
        said.seek(0)
        return Ending(how, said.read())


def begun(work: Callable[[], object]) -> int:
    """Begin `work` in a copy of this process, and return its number; it says nothing."""
    process = os.fork()
    if process == 0:
        _be_the_child(work, os.open(os.devnull, os.O_WRONLY))
    return process


def _be_the_child(work: Callable[[], object], output: int) -> None:
    code = 99
    try:
        os.dup2(output, 1)
        os.dup2(output, 2)
        faulthandler.enable()
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def waited(process: int, seconds: float = PATIENCE) -> str:
    """Wait for a child process, which is killed if it takes too long, and say how it ended."""
    until = time.monotonic() + seconds
    while True:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return named(os.waitstatus_to_exitcode(status))
        if time.monotonic() > until:
            os.kill(process, signal.SIGABRT)
            time.sleep(1)
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            return f"hangs ({seconds:g} s)"
        time.sleep(0.001)


def limit_memory(more: int) -> None:
    """Allow this process so many bytes of addresses beside those that it has."""
    if os.environ.get("LD_PRELOAD"):  # a sanitizer maps terabytes
        return
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    limit = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
