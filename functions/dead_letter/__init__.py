"""DLQ: wake-ups that were received too often go round again."""
