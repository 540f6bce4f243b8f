"""The OpenBLAS that a wheel holds: what it is called and where it is taken from."""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
from importlib import metadata
from pathlib import Path

# threadpoolctl finds libraries by this prefix.
BLAS_FILES = {
    "darwin": "libscipy_openblas.dylib",
    "win32": "libscipy_openblas.dll",
}


def blas_file(platform: str) -> str:
    """Return the name of OpenBLAS' library on a platform, as sys.platform calls it."""
    return BLAS_FILES.get(platform, "libscipy_openblas.so")


def copy_blas(target: Path, fallback: Path, library: str) -> None:
    """Copy OpenBLAS and its licence texts into `target`, or keep the copy that is there."""
    spec = importlib.util.find_spec("scipy_openblas32")
    if spec is not None and spec.submodule_search_locations:
        package = Path(spec.submodule_search_locations[0])
        dist = metadata.distribution("scipy-openblas32")
        licences = [
            Path(str(dist.locate_file(file)))
            for file in dist.files or ()
            if re.search("licen[cs]e|copying", file.name, re.IGNORECASE)
        ]
        files = [package / "lib" / library, *licences]
    elif (target / library).exists():
        return
    elif (fallback / library).exists():
        files = [file for file in fallback.iterdir() if file.is_file()]
    else:
        sys.exit(
            "scipy-openblas32, the source of the OpenBLAS that swiftbackprop packs, is not "
            "installed: build with pip's isolation, or install the version pinned in "
            "pyproject.toml, or set SWIFTBACKPROP_BUILD_BLAS=system to use the system's BLAS."
        )
    for file in files:
        name = file.name if file.name.startswith(("lib", "OpenBLAS")) else f"OpenBLAS-{file.name}"
        replace(file, target / name)


def replace(source: Path, target: Path) -> None:
    """Copy a file over another one, which a running process may have mapped."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    shutil.copy2(source, target)
