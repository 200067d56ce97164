"""Sphinx settings. Build: sphinx-build -W --keep-going -b html docs docs/_build."""

import warnings

import matplotlib
import pydata_sphinx_theme  # noqa: F401  a clear error if the docs extra is missing

import hyperspy_stem_enhance

matplotlib.use("Agg")

project = "hyperspy_stem_enhance"
author = "The hyperspy_stem_enhance developers"
copyright = f"2026, {author}"
release = version = hyperspy_stem_enhance.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_gallery.gen_gallery",
    "numpydoc",
]

exclude_patterns = ["_build", "examples"]
templates_path = ["_templates"]
default_role = "py:obj"

autosummary_generate = True
autodoc_typehints = "none"
# HyperSpy's classes have hundreds of members; the templates list ours
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"plot_",
    "within_subsection_order": "FileNameSortKey",
    "image_scrapers": ("matplotlib",),
    "remove_config_comments": True,
    "download_all_examples": False,
    "show_memory": False,
    "abort_on_example_error": False,
}

html_theme = "pydata_sphinx_theme"
html_title = "hyperspy_stem_enhance"
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 6,
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
}
html_sidebars = {"installation": [], "gallery/plot_tour": []}
html_show_sourcelink = False

# Deprecations inside of libraries do not belong into the examples' output
warnings.filterwarnings("ignore", message=".*deprecated", category=UserWarning)
