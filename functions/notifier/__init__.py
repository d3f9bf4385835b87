"""Step Functions: one attempt to deliver one notification."""
