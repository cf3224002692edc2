"""From numbers to what people and programs read.

The look of the page is in ``templates``; which columns a table has is in ``tables.py``, once for
the page and for Markdown.
"""
