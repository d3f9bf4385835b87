"""The dead-letter function: sends wake-ups from the DLQs to their lanes again."""
