"""/schedules: tasks that are submitted again and again."""
