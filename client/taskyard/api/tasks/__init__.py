"""/tasks: submit, read, change, cancel and await background tasks."""
