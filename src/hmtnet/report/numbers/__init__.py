"""From run directories to every number of a report; no layout."""
