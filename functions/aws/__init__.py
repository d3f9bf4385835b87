"""Thin ports over botocore's clients: queues, timers, mail."""
