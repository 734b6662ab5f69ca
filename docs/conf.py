"""The documentation site, by Sphinx: `make docs`. Pages are Markdown; those that name a kernel are notebooks."""

import os
import sys
from pathlib import Path

import spikeloop

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extensions"))
os.environ["LSLAPICFG"] = str(HERE / "lsl_api.cfg")  # of the notebooks

project = "spikeloop"
author = "spikeloop contributors"
copyright = author
version = release = spikeloop.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.doctest",
    "numpydoc",
    "sphinx_copybutton",
    "command_line",
    "mathml",
    "repository_links",
]
exclude_patterns = ["_build", "_templates", "_extensions", "paper"]
templates_path = ["_templates"]
smartquotes = False  # options and messages are to be copied
default_role = "code"  # what docstrings put between single backticks

myst_enable_extensions = ["dollarmath", "deflist", "colon_fence"]
myst_heading_anchors = 4
suppress_warnings = ["misc.highlighting_failure"]
nb_execution_mode = "force"
nb_execution_timeout = 300  # s, of a cell
nb_execution_raise_on_error = True
nb_merge_streams = True

autosummary_generate = True
autodoc_mock_imports = ["cl"]  # of Cortical Labs; a bridge is documented without it
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # docstrings have the types, with shapes and units
numpydoc_show_class_members = False  # the template of a class lists them
doctest_test_doctest_blocks = "default"

html_math_renderer = "mathml"
html_theme = "furo"
html_title = "spikeloop"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0072b2", "color-brand-content": "#0072b2"},  # as in page.css
    "dark_css_variables": {"color-brand-primary": "#56b4e9", "color-brand-content": "#56b4e9"},
    "source_repository": "https://github.com/spikeloop/spikeloop/",
    "source_branch": "main",
    "source_directory": "docs/",
}
