"""Sphinx's settings. `make docs` builds the site; what it is built from is told in build.py."""

from typing import Any

import hmtnet

project = "hmtnet"
author = "The hmtnet authors"
project_copyright = author
version = release = hmtnet.__version__

extensions = [
    "myst_nb",  # Markdown and notebooks
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",  # Google's style of docstrings
    "sphinx.ext.viewcode",  # sources beside the reference: the site needs no repository's address
    "sphinx_copybutton",
]
exclude_patterns = ["**.inc.md"]

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

nb_execution_mode = "force"  # sources change more often than notebooks, so nothing is kept
nb_execution_timeout = 1800
nb_execution_raise_on_error = True
nb_merge_streams = True
nb_output_stderr = "remove"  # how far a training is

autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True, "ignore-module-all": True}
autodoc_inherit_docstrings = False  # torch's and Lightning's are theirs
napoleon_use_ivar = True  # attributes are told with their class, once
python_use_unqualified_type_names = True
add_module_names = False
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = "hmtnet"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}
copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True


def escape_bars(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Keep |x| what it is in our docstrings, an absolute value; Sphinx takes it for a name."""
    for number, line in enumerate(lines):
        parts = line.split("``")  # code is every other part
        parts[::2] = [part.replace("|", r"\|") for part in parts[::2]]
        lines[number] = line if line.lstrip().startswith(">>>") else "``".join(parts)


def setup(app: Any) -> None:
    """Register what conf.py adds to Sphinx."""
    app.connect("autodoc-process-docstring", escape_bars)
