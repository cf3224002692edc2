"""From predictions to what a person looks at.

``numbers`` goes from run directories to every number of a report, ``render`` from these to a page,
Markdown, LaTeX, CSV, JSON and a terminal; ``numbers`` never imports ``render``. Everything is
computed from predictions alone, so that every number can be recomputed from ``predictions.csv``.
"""
