"""Sphinx configuration: builds without a network, and every warning is an error (``sphinx-build -W``)."""

from __future__ import annotations

import pgxeval

project = "pgxeval"
author = "The pgxeval authors"
project_copyright = "the pgxeval authors"
version = release = pgxeval.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_mock_imports = ["pytest"]  # pages of test classes are built without it, and show their fixtures as methods
autodoc_typehints = "none"  # the numpydoc sections say types in words, with shape and unit
autodoc_default_options = {"members": True, "undoc-members": False}
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
default_role = "py:obj"
nitpicky = False

html_theme = "alabaster"
html_theme_options = {
    "description": "Which model can read a personal genome?",
    "fixed_sidebar": True,
    "page_width": "1080px",
    "sidebar_width": "240px",
    "font_family": "system-ui, sans-serif",
    "head_font_family": "system-ui, sans-serif",
}
html_static_path: list[str] = []
html_show_sourcelink = False
html_copy_source = False
