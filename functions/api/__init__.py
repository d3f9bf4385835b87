"""HTTP: requests in, tasks and problem+json out."""
