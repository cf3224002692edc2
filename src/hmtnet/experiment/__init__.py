"""What runs, in which order, and on what it may see."""
