"""The worker functions: wake-ups from SQS in, attempts of tasks out."""
