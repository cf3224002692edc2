"""Networks (plain modules) and the tasks that train them: a folder a system."""
