"""From predictions to what a person looks at: summaries, tables and pictures.

Everything here is computed from predictions alone, so that every number can be recomputed from
``predictions.csv``. Plots are imported from :mod:`hmtnet.report.plots`, since they need matplotlib.
"""

from hmtnet.report.summary import Summary, summarise
from hmtnet.report.table import Row, as_records, closing_table, heading

__all__ = ["Row", "Summary", "as_records", "closing_table", "heading", "summarise"]
