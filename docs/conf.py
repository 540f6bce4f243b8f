"""Sphinx: README, CONTRIBUTING, docs/ and notebooks/ as one site, with the API's pages.

The source directory is the project's root, so that a link from one file to another holds here
as it does in the repository.
"""

import sys
from pathlib import Path
from typing import Any

import swiftbackprop as sb
from swiftbackprop import data, datasets, lab, metrics, schedules
from swiftbackprop._net.optimizers import optimizer_classes
from swiftbackprop._version import __version__

HERE = Path(__file__).parent

project = "swiftbackprop"
author = copyright = "swiftbackprop contributors"
version = release = __version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",  # the site's formulas show without a network too
    "numpydoc",
    "myst_nb",
]
root_doc = "docs/index"
include_patterns = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/**", "notebooks/*.ipynb"]
exclude_patterns = [".*", "build", "wheelhouse", "dist", "python", "tests_py", "Sources", "Tests"]

html_theme = "furo"
html_title = "swiftbackprop"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = ["enlarge.js"]
html_extra_path = ["root"]  # index.html, which leads to docs/index.html
html_copy_source = False
html_show_sphinx = False

# Notebooks show the outputs they are shipped with. Pages that compute say so in their heads.
nb_execution_mode = "off"
nb_execution_raise_on_error = True
nb_render_text_lexer = "none"

myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
# A link to a file that is no page, such as the licence, downloads it.
myst_all_links_external = False
suppress_warnings = ["mystnb.unknown_mime_type"]

default_role = "autolink"
autodoc_member_order = "groupwise"
autodoc_typehints = "none"  # numpydoc's Parameters say it
numpydoc_show_class_members = False
numpydoc_xref_param_type = False


def everything_public_is_there(app: Any, error: Exception | None) -> None:
    """Fail if a public name has no entry."""
    if error is not None or app.builder.format != "html":
        return
    shown = set(app.env.get_domain("py").objects)
    wanted = {f"swiftbackprop.{name}" for name in sb.__all__ if not name.startswith("__")}
    modules = (data, lab, datasets, schedules, metrics)
    for module in modules:
        wanted |= {f"{module.__name__}.{name}" for name in module.__all__}
    wanted |= {f"swiftbackprop.Network.{name}" for name in dir(sb.Network) if name[0] != "_"}
    missing = sorted(wanted - shown - {module.__name__ for module in modules})
    if missing:
        raise RuntimeError(f"docs/api.md lacks {', '.join(missing)}")


def list_optimizers(app: Any, page: str, source: list[str]) -> None:
    """Give every optimizer of the engine an entry in docs/api.md."""
    if page == "docs/api":
        entries = (f".. autoclass:: {name}" for name in optimizer_classes())
        source[0] = source[0].replace(".. optimizers of the engine", "\n".join(entries))


def setup(app: Any) -> None:
    """Connect what is above."""
    sys.path.insert(0, str(HERE))
    app.connect("source-read", list_optimizers)
    app.connect("build-finished", everything_public_is_there)
