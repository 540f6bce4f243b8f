"""Finding the library that multiplies matrices: a CBLAS with 32-bit integers.

Looked for in this order: the file that SWIFTBACKPROP_BLAS names (or ``system``), the
OpenBLAS that is packed with swiftbackprop, the system's: Accelerate on macOS, libopenblas.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

VARIABLE = "SWIFTBACKPROP_BLAS"
INSTALL = "install OpenBLAS (on Debian: apt install libopenblas-dev)"

# How a library may spell its names; scipy's builds of OpenBLAS prefix them.
_PREFIXES = ("", "scipy_")
_WIDE = ("cblas_sgemm64_", "scipy_cblas_sgemm64_", "cblas_sgemm_64")
_ACCELERATE = "/System/Library/Frameworks/Accelerate.framework/Accelerate"
# The code of a signal that was sent by sigqueue, on Linux.
_SI_QUEUE = -1
# What the loader of a platform, as sys.platform calls it, may find; elsewhere that of Linux.
_SYSTEM = {
    "linux": ("libopenblas.so.0", "libopenblas.so"),
    "darwin": (_ACCELERATE, "libopenblas.dylib"),
    "win32": ("libopenblas.dll", "openblas.dll"),
}


class Unusable(Exception):
    """A library that cannot serve; the message is a sentence that names it."""


@dataclass(frozen=True)
class Library:
    """A CBLAS that is loaded; `handle` keeps it in memory."""

    handle: ctypes.CDLL
    path: str  # of the file, links followed
    source: str  # SWIFTBACKPROP_BLAS, vendored or system
    prefix: str

    def address(self, *names: str) -> int:
        """Return the address of the first of these functions there is, or 0."""
        for name in names:
            with contextlib.suppress(AttributeError):
                function = getattr(self.handle, name)
                return ctypes.cast(function, ctypes.c_void_p).value or 0
        return 0

    @property
    def table(self) -> tuple[int, int, int, int]:
        """The addresses of sgemm, dgemm and (or 0) of what gets and sets threads."""
        prefix = self.prefix
        return (
            self.address(f"{prefix}cblas_sgemm"),
            self.address(f"{prefix}cblas_dgemm"),
            self.address(f"{prefix}openblas_get_num_threads", "MKL_Get_Max_Threads"),
            self.address(f"{prefix}openblas_set_num_threads", "MKL_Set_Num_Threads"),
        )

    def _text(self, name: str) -> str:
        """Call a function that takes nothing and returns a string; "" without it."""
        address = self.address(name)
        if not address:
            return ""
        text = ctypes.CFUNCTYPE(ctypes.c_char_p)(address)()
        return "" if text is None else text.decode(errors="replace").strip()

    @property
    def version(self) -> str:
        """What the library says of itself."""
        said = self._text(f"{self.prefix}openblas_get_config")
        if not said and self.address("bli_info_get_version_str"):
            said = f"BLIS {self._text('bli_info_get_version_str')}"
        if not said and self.address("MKL_Get_Max_Threads"):
            said = "Intel MKL"
        if not said and "/Accelerate.framework/" in self.path:
            said = "Apple Accelerate"
        return said or "unknown"

    @property
    def kernel(self) -> str:
        """The processor whose kernels OpenBLAS took, now."""
        return self._text(f"{self.prefix}openblas_get_corename") or "unknown"


@dataclass(frozen=True)
class Found:
    """The outcome of the search: a library, or a sentence that says why there is none."""

    library: Library | None
    problem: str = ""


def install(set_blas: Callable[[int, int, int, int], None]) -> Found:
    """Find a BLAS and hand its functions to the engine.

    Raises
    ------
    ImportError
        If the library that SWIFTBACKPROP_BLAS names cannot be used. Without that
        variable a missing library is no error yet: the calls that need one say so.
    """
    wanted = os.environ.get(VARIABLE, "").strip()
    refused = []
    for name, source in _candidates(wanted):
        try:
            library = _open(name, source)
            try:  # the engine computes a known product with each function
                set_blas(*library.table)
            except RuntimeError as error:
                raise Unusable(f"{name}: {error}") from None
        except Unusable as error:
            refused.append(str(error))
        else:
            return Found(library, "; ".join(refused))
    if wanted == "system":
        raise ImportError(f"{VARIABLE} is 'system', but no libopenblas is found: {INSTALL}")
    if wanted:
        raise ImportError(
            f"{VARIABLE} names a library that cannot be used: {refused[0]}. Give the "
            "path of a CBLAS library with 32-bit integers, or 'system', or unset it"
        )
    return Found(None, "; ".join([*refused, f"no BLAS library is found: {INSTALL}"]))


def _candidates(wanted: str) -> Iterator[tuple[str, str]]:
    """Yield what to try, as (file, where it is from)."""
    if wanted and wanted != "system":
        yield wanted, VARIABLE
        return
    if not wanted:
        folder = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "_lib")
        for file in sorted(os.listdir(folder) if os.path.isdir(folder) else ()):
            if file.startswith("libscipy_openblas"):
                yield os.path.join(folder, file), "vendored"
    system = _SYSTEM.get(sys.platform, _SYSTEM["linux"])
    loadable = [name for name in system if _can_load(name)]
    if not loadable:
        from ctypes.util import find_library  # slow: it runs programs

        name = find_library("openblas")
        loadable = [name] if name else []
    for name in loadable[:1]:
        yield name, "system"


def _can_load(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def _open(name: str, source: str) -> Library:
    """Load a library and look at the names and the integers it has."""
    try:
        # Windows has no such flags.
        mode = getattr(os, "RTLD_NOW", 0) | getattr(os, "RTLD_LOCAL", 0)
        with _without_its_interrupt():
            handle = ctypes.CDLL(name, mode=mode)
    except OSError as error:
        reason = str(error)
        raise Unusable(reason if name in reason else f"{name}: {reason}") from None
    for prefix in _PREFIXES:
        if hasattr(handle, f"{prefix}cblas_sgemm") and hasattr(handle, f"{prefix}cblas_dgemm"):
            break
    else:
        if any(hasattr(handle, wide) for wide in _WIDE):
            raise Unusable(f"{name} is built with 64-bit integers")
        raise Unusable(f"{name} has no function cblas_sgemm")
    path = _file_of(getattr(handle, f"{prefix}cblas_sgemm")) or name
    library = Library(handle, path, source, prefix)
    if "USE64BITINT" in library.version or _blis_is_wide(library):
        raise Unusable(f"{name} is built with 64-bit integers")
    return library


@contextlib.contextmanager
def _without_its_interrupt() -> Iterator[None]:
    """Take back the SIGINT that OpenBLAS raises where it gets fewer threads than cores.

    It works without them, and nobody has typed Ctrl-C. Another one is sent on, as the engine does
    when it sets the number of threads.
    """
    if sys.platform != "linux":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        is_real = False
        while (found := signal.sigtimedwait({signal.SIGINT}, 0)) is not None:
            is_real |= found.si_code == _SI_QUEUE or found.si_pid != os.getpid()
        if is_real:  # told from one of OpenBLAS', should that be done again
            ctypes.CDLL(None).sigqueue(os.getpid(), int(signal.SIGINT), None)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _blis_is_wide(library: Library) -> bool:
    address = library.address("bli_info_get_blas_int_type_size")
    return bool(address) and ctypes.CFUNCTYPE(ctypes.c_int64)(address)() == 64


def _file_of(function: Any) -> str:
    """Return the file that holds a function of a loaded library (dladdr)."""

    class Info(ctypes.Structure):
        _fields_ = (
            ("file", ctypes.c_char_p),
            ("base", ctypes.c_void_p),
            ("name", ctypes.c_char_p),
            ("address", ctypes.c_void_p),
        )

    info = Info()
    try:
        found = ctypes.CDLL(None).dladdr(ctypes.cast(function, ctypes.c_void_p), ctypes.byref(info))
    except (AttributeError, OSError):
        return ""
    return os.path.realpath(os.fsdecode(info.file)) if found and info.file else ""
