"""The types of the optimizers' classes, which the package makes from the engine's list.

``python tests_py/optimizer_stub.py`` writes the stub; `test_typing` says when it is old.
"""

from __future__ import annotations

import inspect
from pathlib import Path

import swiftbackprop as sb
from swiftbackprop._net.optimizers import optimizer_classes

# In the sources, where they are.
SOURCES = Path(__file__).resolve().parent.parent / "python" / "swiftbackprop"
PACKAGE = SOURCES if SOURCES.exists() else Path(sb.__file__).parent
STUB = PACKAGE / "_net" / "optimizer_classes.pyi"


def stub() -> str:
    """The text of the stub."""
    lines = [
        '"""The classes that `_net.optimizers` makes of the engine\'s list, for type checkers."""',
        "",
        "# Written by tests_py/optimizer_stub.py.",
        "from swiftbackprop._net.optimizers import Optimizer",
        "",
        "__all__: list[str] = [",
        *(f'    "{name}",' for name in sorted(optimizer_classes())),
        "]",
    ]
    for name, made in sorted(optimizer_classes().items()):
        parameters = inspect.signature(made).parameters
        formula = (inspect.getdoc(made) or "").partition("\n")[0]
        lines += ["", f"class {name}(Optimizer):", f'    """{formula}"""', "", "    def __init__("]
        lines += ["        self,"]
        lines += [f"        {p.name}: float = {p.default!r}," for p in parameters.values()]
        lines += ["    ) -> None: ..."]
        for parameter in parameters:
            lines += ["    @property", f"    def {parameter}(self) -> float: ..."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    STUB.write_text(stub(), "utf-8")
