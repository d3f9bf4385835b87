"""Step Functions on this machine."""
