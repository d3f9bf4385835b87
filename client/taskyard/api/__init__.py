"""The HTTP API by resource: models of what it answers, options of requests, and calls as values. No I/O."""
