"""A dataset of super-resolved satellite images, for hmtnet."""
