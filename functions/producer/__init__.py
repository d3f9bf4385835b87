"""The door without HTTP: firings of schedules, and submits by whoever may invoke it."""
