"""`hmtnet serve`: a page on this machine that scores the images dropped on it."""
