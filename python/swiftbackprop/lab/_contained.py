"""Code of others in a process of its own: its errors, endless loops and memory stay there."""

from __future__ import annotations

import base64
import faulthandler
import json
import math
import os
import resource
import select
import signal
import struct
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple, NoReturn

import numpy as np

_MOST_VALUES, _MOST_NUMBERS = 1 << 17, 1 << 24  # of a result: arrays and the like; in arrays
_MOST = 256 << 20  # its bytes
_PAGE = resource.getpagesize()


class NoResult(Exception):
    """Of a call that cannot be made; its text is what is said of that."""


class Outcome(NamedTuple):
    """What came of a call: a value, or in a sentence why there is none."""

    value: Any
    problem: str = ""


def contained(
    calls: Mapping[str, Callable[[], Any]],
    *,
    timeout: float,
    memory: int,
    where: str = "",
    before: Callable[[], Any] = bool,
) -> dict[str, Outcome]:
    """Run calls one after the other in a process that is killed when its time is over.

    A call that ends the process, or does not end, costs nothing of those after it: they run in
    another. What they return must be made of dicts, lists, tuples, arrays and numbers. It comes
    back as bytes of numbers and text, and nothing of it is run. This holds mistakes; for malice
    use a container.

    Parameters
    ----------
    calls : dict of callable
    timeout : float
        Seconds for each.
    memory : int
        Megabytes more than this process has.
    where : str, optional
        The file whose lines are named in what is said of an exception.
    before : callable, optional
        What a process does first, to load the file; if it fails, no call is made.
    """
    found: dict[str, Outcome] = {}
    while rest := {name: call for name, call in calls.items() if name not in found}:
        first, *outcomes = _in_process([before, *rest.values()], timeout, memory, where)
        if first.problem:
            why = Outcome(None, f"was not called: loading the file {first.problem}")
            return found | dict.fromkeys(rest, why)
        found |= zip(rest, outcomes, strict=False)
    return found


def _in_process(
    calls: Sequence[Callable[[], Any]], timeout: float, memory: int, where: str
) -> list[Outcome]:
    """Return what came of the first calls, the last of which may have ended the process."""
    read, write = os.pipe()
    with warnings.catch_warnings():
        # Of forks beside threads. The child starts none, and takes no lock of another's.
        warnings.simplefilter("ignore")
        pid = os.fork()
    if pid == 0:
        os.close(read)
        _child(calls, write, timeout, memory, where)
    os.close(write)
    found = []
    try:
        for frame, late in islice(_frames(read, timeout), len(calls)):
            why = f"did not end within {timeout:g} s" if late else "ended its process"
            found.append(Outcome(None, why) if frame is None else _decoded(frame))
    finally:
        _end(pid)
        os.close(read)
    return found


# --- In the child -------------------------------------------------------------------------


def _child(
    calls: Sequence[Callable[[], Any]],
    write: int,
    timeout: float,
    memory: int,
    where: str,
) -> NoReturn:
    """Run the calls, write what came of them, and end; nothing else of the program runs here."""
    try:
        _limit(timeout * len(calls), memory)
        for call in calls:
            _send(write, _tried(call, where))
    finally:
        os._exit(0)


def _limit(timeout: float, memory: int) -> None:
    """Take away terminal, files and time."""
    tempfile.gettempdir()  # found by writing a file, of which some modules make sure as they load
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    # A notebook's own streams would send what is printed to the page.
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = sys.stderr = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    faulthandler.disable()
    sys.dont_write_bytecode = True
    seconds = math.ceil(timeout) + 1
    with open("/proc/self/statm", encoding="ascii") as file:
        size = int(file.read().split()[0]) * _PAGE
    for what, limit in (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, size + (memory << 20)),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),  # a file opened by mistake is not filled
    ):
        _, most = resource.getrlimit(what)
        least = limit if most == resource.RLIM_INFINITY else min(limit, most)
        resource.setrlimit(what, (least, least))


def _tried(call: Callable[[], Any], where: str) -> Any:
    try:
        return {"value": _encoded(call(), [_MOST_VALUES, _MOST_NUMBERS])}
    except NoResult as error:
        return {"problem": str(error)}
    except MemoryError:
        return {"problem": "needed more memory than is allowed"}
    except BaseException as error:
        return {"problem": _said(error, where)}


def _said(error: BaseException, where: str) -> str:
    """Return an exception in one line, with the line of the student's own that raised it."""
    try:
        text = " ".join(str(error).split())[:300]
    except BaseException:  # of an exception of the student's own
        text = ""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if where and frame.filename == where]
    line = f", in line {own[-1].lineno}" if own else ""
    return f"raised {type(error).__name__}{line}{': ' * bool(text)}{text}"


def _send(write: int, message: Any) -> None:
    data = json.dumps(message).encode()
    rest = memoryview(struct.pack("<Q", len(data)) + data)
    while rest:
        rest = rest[os.write(write, rest) :]


def _encoded(value: Any, left: list[int], depth: int = 0) -> Any:
    """Return a value as what JSON has; `left`: how many values of lists, and numbers, may come."""
    if depth > 8:
        raise ValueError("it returned lists in lists more than 8 deep")
    if value is None:
        return None
    left[0] -= len(value) if isinstance(value, Mapping | list | tuple) else 0
    if left[0] < 0:
        raise ValueError(f"it returned lists of more than {_MOST_VALUES} values")
    if isinstance(value, Mapping):
        return {"dict": [[str(key), _encoded(v, left, depth + 1)] for key, v in value.items()]}
    if isinstance(value, list | tuple):
        return {"list": [_encoded(item, left, depth + 1) for item in value]}
    array = np.asarray(value)
    if array.dtype == object or array.dtype.kind not in "biufc":
        return {"other": type(value).__name__}
    left[1] -= array.size
    if left[1] < 0:
        raise ValueError(f"it returned more than {_MOST_NUMBERS} numbers")
    kind = np.complex128 if array.dtype.kind == "c" else np.float64
    data = base64.b64encode(np.ascontiguousarray(array, kind).tobytes()).decode()
    return {"array": data, "shape": list(array.shape), "complex": kind is np.complex128}


# --- In the parent ------------------------------------------------------------------------


def _frames(read: int, timeout: float) -> Iterator[tuple[bytes | None, bool]]:
    """Yield what the child sends; None last, and whether its time was over or it had ended."""
    held = bytearray()
    deadline = time.monotonic() + timeout
    while True:
        while len(held) >= 8:
            (length,) = struct.unpack_from("<Q", held)
            if length > _MOST:
                yield None, False
                return
            if len(held) < 8 + length:
                break
            yield bytes(held[8 : 8 + length]), False
            del held[: 8 + length]
            deadline = time.monotonic() + timeout
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([read], [], [], left)[0]:
            yield None, True
            return
        data = os.read(read, 1 << 16)
        if not data:
            yield None, False
            return
        held += data


def _decoded(frame: bytes) -> Outcome:
    try:
        message = json.loads(frame)
        if "problem" in message:
            return Outcome(None, str(message["problem"]))
        return Outcome(_value(message["value"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return Outcome(None, "sent back something else than its result")


def _value(message: Any) -> Any:
    if message is None:
        return None
    if "dict" in message:
        return {str(key): _value(item) for key, item in message["dict"]}
    if "list" in message:
        return [_value(item) for item in message["list"]]
    if "other" in message:
        # What is said of it is its type.
        return type(str(message["other"]), (), {})()
    kind = np.complex128 if message["complex"] else np.float64
    numbers = np.frombuffer(base64.b64decode(message["array"]), kind)
    return numbers.reshape([int(size) for size in message["shape"]]).copy()


def _end(pid: int) -> None:
    """Kill the process, what it started, and wait for it."""
    for kill in (os.killpg, os.kill):
        try:
            kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue
    os.waitpid(pid, 0)
