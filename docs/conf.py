"""Sphinx configuration: warnings are errors (``sphinx-build -W``), notebooks are executed, no network is needed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pgxeval

sys.path.insert(0, str(Path(__file__).with_name("_ext")))

project = "pgxeval"
author = "The pgxeval authors"
project_copyright = "the pgxeval authors"
version = release = pgxeval.__version__

extensions = [
    "myst_nb",
    "pgxeval_pages",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
    "sphinx_design",
]
if os.environ.get("PGXEVAL_DOCS_NETWORK"):  # links to other projects need their inventories
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3", None),
        "numpy": ("https://numpy.org/doc/stable", None),
        "pandas": ("https://pandas.pydata.org/docs", None),
        "sklearn": ("https://scikit-learn.org/stable", None),
    }
exclude_patterns = ["_build", "jupyter_execute", "**/.ipynb_checkpoints"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "cache"
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_merge_streams = True
nb_execution_in_temp = True  # reports that notebooks write do not belong to the documentation

autodoc_member_order = "bysource"
autodoc_mock_imports = ["pytest"]  # pages of test classes are built without it, and show their fixtures as methods
autodoc_typehints = "none"  # the numpydoc sections state types in words, with shape and unit
autodoc_default_options = {"members": True, "undoc-members": False}
autosummary_generate = False
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
default_role = "py:obj"
nitpicky = False

html_theme = "pydata_sphinx_theme"
html_theme_options = {
    "show_nav_level": 1,
    "navigation_depth": 3,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_prev_next": False,
    "use_edit_page_button": False,
}
html_static_path = ["_static"]
html_css_files = ["pgxeval.css"]
html_title = "pgxeval"
html_show_sourcelink = False
html_copy_source = False
copybutton_exclude = ".linenos, .gp, .go"
