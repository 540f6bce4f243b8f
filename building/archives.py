"""Source distributions and wheels that are the same, byte by byte, whenever they are built.

Both take the times of their files from SOURCE_DATE_EPOCH; wheels do by themselves.
"""

from __future__ import annotations

import gzip
import os
import re
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

from setuptools.command.sdist import sdist

from building import sbom
from building.compile import run, tool

try:
    from setuptools.command.bdist_wheel import bdist_wheel
except ImportError:  # before setuptools 70.1
    try:
        from wheel.bdist_wheel import bdist_wheel
    except ImportError:
        bdist_wheel = None  # no wheels, but everything else, can be built


def normalised(archive: bytes, seconds: int) -> bytes:
    """Return a .tar.gz with the same files, by name, of nobody's and of one time."""
    packed = BytesIO()
    with (
        tarfile.open(fileobj=BytesIO(archive)) as old,
        gzip.GzipFile("", "wb", fileobj=packed, mtime=seconds) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as new,
    ):
        for member in sorted(old.getmembers(), key=lambda member: member.name):
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            member.mtime = seconds
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            member.pax_headers = {}
            new.addfile(member, old.extractfile(member) if member.isfile() else None)
    return packed.getvalue()


class SourceDistribution(sdist):
    """sdist, with the times that SOURCE_DATE_EPOCH says, where it is set."""

    def make_archive(self, *args: Any, **keywords: Any) -> str:
        made: str = super().make_archive(*args, **keywords)
        seconds = os.environ.get("SOURCE_DATE_EPOCH")
        if seconds and made.endswith(".tar.gz"):
            path = Path(made)
            path.write_bytes(normalised(path.read_bytes(), int(seconds)))
        return made


class WithBill:
    """A bdist_wheel's bill of materials, and the same rights of files everywhere."""

    distribution: Any

    def write_wheelfile(self, wheelfile_base: str, *args: Any, **keywords: Any) -> None:
        super().write_wheelfile(wheelfile_base, *args, **keywords)
        package = Path(wheelfile_base).parent / "swiftbackprop"
        if not (package / "datasets").is_dir():
            return  # an editable wheel, which holds nothing of others'
        swift = re.search(r"Swift version (\S+)", run(tool("swiftc"), "--version"))
        text = sbom.bill(package, self.distribution.get_version(), swift[1] if swift else "")
        folder = Path(wheelfile_base, "sboms")
        folder.mkdir()
        (folder / "swiftbackprop.cdx.json").write_text(text, "utf-8")
        # Not as the umask has it.
        for path in package.parent.rglob("*"):
            if path.is_file():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)


COMMANDS: dict[str, Any] = {"sdist": SourceDistribution}
if bdist_wheel is not None:
    COMMANDS["bdist_wheel"] = type("Wheel", (WithBill, bdist_wheel), {})
