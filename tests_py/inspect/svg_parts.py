"""What a test looks for in a picture."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

SVG = "{http://www.w3.org/2000/svg}"


def svg_of(picture: Any) -> ET.Element:
    return ET.fromstring(str(picture))


def of_class(root: ET.Element, name: str) -> list[ET.Element]:
    return [element for element in root.iter() if element.get("class") == name]


def texts(root: ET.Element) -> list[str]:
    return ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]


def titles(elements: list[ET.Element]) -> list[str]:
    return [element.findtext(f"{SVG}title") or "" for element in elements]


def numbers(root: ET.Element, name: str) -> list[list[str]]:
    return [texts(group) for group in of_class(root, name)]
