"""Sphinx configuration: Markdown through MyST, docstrings through numpydoc, equations through MathJax."""

import sys
import tomllib
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

_log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # document the checkout, installed or not

_project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = _project["name"]
version = release = _project["version"]
author = f"The {project} authors"
copyright = f"2026, {author}"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "numpydoc"]
exclude_patterns = ["_build", "generated"]
default_role = "code"

myst_enable_extensions = ["amsmath", "dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
myst_dmath_double_inline = False

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # types stand in the numpydoc sections
numpydoc_show_class_members = False  # autodoc lists the members itself

html_theme = "alabaster"
html_title = f"{project} {version}"
html_theme_options = {
    "description": _project["description"],
    "page_width": "1080px",
    "sidebar_width": "230px",
    "fixed_sidebar": True,
    "show_powered_by": False,
    "font_family": "Georgia, 'Times New Roman', serif",
}
html_sidebars = {"**": ["about.html", "searchfield.html", "navigation.html"]}
html_show_sourcelink = False
html_copy_source = False


def _missing_names(_app: Sphinx, env: BuildEnvironment) -> None:
    """Warn about public names that the reference leaves out."""
    import glminfer

    documented = env.get_domain("py").objects
    for name in glminfer.__all__:
        if f"glminfer.{name}" not in documented:
            _log.warning("glminfer.%s is public and missing from docs/api.md", name)


def setup(app: Sphinx) -> None:
    """Hook the check above into the build."""
    app.connect("env-check-consistency", _missing_names)
