"""Examples that run: README's, and those of every docstring, C-level methods included."""

from __future__ import annotations

import contextlib
import doctest
import importlib
import inspect
import io
import pkgutil
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import ROOT
from swiftbackprop._net.layer import View

OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def modules() -> Iterator[ModuleType]:
    """The package's modules; those that need something that is not installed are left out."""
    yield sb
    for found in pkgutil.walk_packages(sb.__path__, "swiftbackprop."):
        if found.name.rpartition(".")[2].startswith(("_core", "__main__")):
            continue
        with contextlib.suppress(ImportError):
            yield importlib.import_module(found.name)


def docstrings() -> dict[str, str]:
    """Every docstring under its name; classes bring those of the C types they come from."""
    found: dict[str, str] = {}

    def add(name: str, thing: Any) -> None:
        doc = inspect.getdoc(thing)
        if doc:
            found.setdefault(name, doc)

    def add_class(name: str, cls: type) -> None:
        add(name, cls)
        for base in cls.__mro__:
            if not base.__module__.startswith("swiftbackprop"):
                continue
            for member, value in vars(base).items():
                is_routine = inspect.isroutine(value) or isinstance(value, property | View)
                if is_routine and not member.startswith("__"):
                    add(f"{name}.{member}", getattr(cls, member))

    for module in modules():
        if module.__doc__:
            found[module.__name__] = module.__doc__
        for name, thing in vars(module).items():
            if not getattr(thing, "__module__", "").startswith("swiftbackprop"):
                continue
            if inspect.isclass(thing):
                add_class(f"{thing.__module__}.{name}", thing)
            elif inspect.isroutine(thing):
                add(f"{thing.__module__}.{name}", thing)
    return found


DOCSTRINGS = docstrings()
WITH_EXAMPLES = sorted(name for name, doc in DOCSTRINGS.items() if ">>>" in doc)


def run_example(text: str, name: str, names: dict[str, Any] | None = None) -> None:
    """Run `text` as a doctest; a failure shows doctest's own report."""
    known = {"sb": sb, "swiftbackprop": sb, "np": np} | (names or {})
    test = doctest.DocTestParser().get_doctest(text, known, name, None, 0)
    report = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    with np.printoptions():
        runner.run(test, out=report.write)
    assert runner.summarize(verbose=False).failed == 0, report.getvalue()


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_docstring_examples(name: str) -> None:
    """With the names that its module has, as the examples of what is not public need them."""
    place = name
    while place not in sys.modules:
        place = place.rpartition(".")[0]
    run_example(DOCSTRINGS[name], name, vars(sys.modules[place]))


PUBLIC = [
    "forward", "backward", "step", "fit", "predict", "predict_classes", "evaluate", "reset",
    "copy", "summary", "release", "stop", "flatten", "unflatten", "layer", "close",
    "input_gradient", "jacobian", "gradient_norms", "hvp", "plan", "trace", "diagram", "gradcheck",
    "health", "plot_weights", "plot_activations", "save", "state_dict", "load_state_dict",
    "get_weights", "set_weights", "to_torch", "to_onnx",
]  # fmt: skip


@pytest.mark.parametrize("name", PUBLIC)
def test_methods_are_documented(name: str) -> None:
    """A summary line; and what goes in, what comes out, what is raised, where there is any."""
    doc = inspect.getdoc(getattr(sb.Network, name)) or ""
    assert doc.split("\n")[0].strip().endswith("."), f"{name}: {doc[:60]!r}"
    if name in ("forward", "backward", "fit", "predict", "evaluate"):
        for section in ("Parameters", "Returns", "Raises", "Examples"):
            assert re.search(rf"^{section}\n-+$", doc, re.MULTILINE), f"{name}: {section}"


def test_there_are_examples() -> None:
    assert len(WITH_EXAMPLES) >= 10


# --- README ------------------------------------------------------------------------------

README = ROOT / "README.md"
TRAINING = ROOT / "docs" / "training.md"
TEACHERS = ROOT / "docs" / "teachers.md"


def run_page(page: Path) -> None:
    """Run Python blocks in order; a text block right behind one is what it prints."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S)
    assert any(language == "python" for language, _ in found)
    names: dict[str, Any] = {"sb": sb, "np": np}
    printed: str | None = None
    for language, code in found:
        if language in ("python", "pycon") and ">>>" in code:
            run_example(code, page.name)
        elif language == "python":
            out = io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
                exec(compile(code, page.name, "exec"), names)
            printed = out.getvalue()
            for line, comment in re.findall(r"^(print\(.*\))\s+# (.+)$", code, re.MULTILINE):
                assert comment.split("  ")[0].strip() in printed, line
            continue
        elif language in ("text", "output") and printed:
            checker = doctest.OutputChecker()
            assert checker.check_output(code, printed, OPTIONS), f"{code}\n---\n{printed}"
        printed = None


@pytest.mark.skipif(not README.exists(), reason="README.md is not part of an installation")
def test_no_page_installs_from_an_index_that_has_no_such_package() -> None:
    """Until it is published, the package installs from a checkout: ``pip install '.[sklearn]'``."""
    places = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    for folder in ("docs", "notebooks", "python", "benchmarks"):
        places += [p for p in (ROOT / folder).rglob("*") if p.suffix in (".md", ".py", ".ipynb")]
    for path in places:
        wrong = re.findall(r"pip3? install [^\n`]*swiftbackprop", path.read_text())
        assert not wrong, f"{path}: {wrong}"


def test_readme_example_is_true() -> None:
    run_page(README)


@pytest.mark.skipif(not TRAINING.exists(), reason="the pages are not part of an installation")
def test_the_page_on_training_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_page(TRAINING)


@pytest.mark.skipif(not TEACHERS.exists(), reason="the pages are not part of an installation")
def test_the_page_for_teachers_is_true() -> None:
    run_page(TEACHERS)


# --- Pages with pictures -----------------------------------------------------------------

PICTURES = ROOT / "docs" / "pictures.md"


@pytest.mark.skipif(not PICTURES.exists(), reason="the pages are not part of an installation")
def test_pictures_are_those_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's code draws the images that are stored, and prints the text below it."""
    page = PICTURES.read_text("utf-8")
    out = io.StringIO()
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for language, code in re.findall(r"^```(python|pycon)\n(.*?)^```$", page, re.M | re.S):
        if language == "pycon":
            run_example(code, PICTURES.name, names)
            continue
        with contextlib.redirect_stdout(out):
            exec(compile(code, PICTURES.name, "exec"), names)
    (printed,) = re.findall(r"^```text\n(.*?)^```$", page, re.M | re.S)
    assert out.getvalue() == printed
    images = re.findall(r"\]\((images/.*?\.svg)\)", page)
    assert len(images) == 2
    for image in images:
        stored = (PICTURES.parent / image).read_text("utf-8")
        assert (tmp_path / Path(image).name).read_text("utf-8") == stored
