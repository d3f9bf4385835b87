"""Step Functions: the steps of a workflow's run."""
