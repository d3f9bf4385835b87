"""Thin ports over boto3: queues, timers, mail."""
