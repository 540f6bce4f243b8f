"""The bill of materials that a wheel carries (CycloneDX, in .dist-info/sboms as PEP 770 has it).

It names what others made and the wheel holds: OpenBLAS with what is linked into it, which is read
from the licence texts that lie beside it, the part of Swift's standard library that is compiled
into the engine, and the digits.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from pathlib import Path
from typing import Any

ENTRY = re.compile(
    r"^Name: (?P<name>.+)\n(?:^(?!Name:).*\n)*?^Description: (?P<description>.+)\n"
    r"^Availability: (?P<url>.+)\n^License: (?P<license>.+)\n",
    re.MULTILINE,
)
SWIFT = "https://github.com/swiftlang/swift"
DIGITS = "https://doi.org/10.24432/C50P49"


def sha256(path: Path) -> list[dict[str, str]]:
    """Return the digest of a file as CycloneDX has it."""
    return [{"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}]


def of_openblas(folder: Path) -> list[dict[str, Any]]:
    """Return what the packed OpenBLAS is made of; nothing if none is packed."""
    library = next(iter(sorted(folder.glob("libscipy_openblas*"))), None)
    texts = "\n".join(path.read_text("utf-8") for path in sorted(folder.glob("OpenBLAS-*")))
    if library is None:
        return []
    version = re.search(rb"OpenBLAS (\d+(?:\.\d+)+)", library.read_bytes())
    components = []
    for entry in ENTRY.finditer(texts):
        component = {
            "type": "library",
            "name": entry["name"],
            "description": entry["description"],
            "licenses": [{"license": {"id": entry["license"]}}],
            "externalReferences": [{"type": "vcs", "url": entry["url"]}],
        }
        if entry["name"] == "OpenBLAS":
            component["hashes"] = sha256(library)
            if version:
                component["version"] = version[1].decode("ascii")
        components.append(component)
    return components


def bill(package: Path, version: str, swift: str) -> str:
    """Return the bill of materials, as JSON.

    Parameters
    ----------
    package : Path
        The folder of the package as a wheel holds it.
    version : str
        The package's.
    swift : str
        The version of the compiler that made the engine.
    """
    components = [
        *of_openblas(package / "_lib"),
        {
            "type": "library",
            "name": "Swift standard library",
            "version": swift,
            "description": "its Embedded subset, compiled into the engine",
            "licenses": [{"expression": "Apache-2.0 WITH Swift-exception"}],
            "externalReferences": [{"type": "vcs", "url": SWIFT}],
        },
        {
            "type": "data",
            "name": "Optical Recognition of Handwritten Digits",
            "description": "E. Alpaydin and C. Kaynak, in datasets/digits.npz",
            "licenses": [{"license": {"id": "CC-BY-4.0"}}],
            "hashes": sha256(package / "datasets" / "digits.npz"),
            "externalReferences": [{"type": "distribution", "url": DIGITS}],
        },
    ]
    for component in components:
        component["bom-ref"] = component["name"].lower().replace(" ", "-")
    wheel = {
        "type": "library",
        "bom-ref": f"pkg:pypi/swiftbackprop@{version}",
        "name": "swiftbackprop",
        "version": version,
        "purl": f"pkg:pypi/swiftbackprop@{version}",
        "licenses": [{"license": {"id": "MIT"}}],
    }
    refs = [component["bom-ref"] for component in components]
    # A number that follows from what is said, so that a wheel that is built again is the same.
    said = json.dumps([wheel, components], sort_keys=True)
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, said)}",
        "version": 1,
        "metadata": {"component": wheel},
        "components": components,
        "dependencies": [{"ref": wheel["bom-ref"], "dependsOn": refs}],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
