"""A system for hmtnet: statistics of edges and fine detail into a small perceptron."""
