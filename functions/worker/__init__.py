"""SQS: wake-ups in, attempts out."""
