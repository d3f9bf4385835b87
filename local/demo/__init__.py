"""`make demo`: tasks of every kind, run through the HTTP API, shown and checked."""
