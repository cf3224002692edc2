"""Where a stage's curves and results go besides the files of its run directory."""
