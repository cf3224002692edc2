"""Networks (plain modules) and the tasks that train them: one folder per system."""
