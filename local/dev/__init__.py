"""`taskyard dev`: a user's own app on this machine, synthesized, running, and reloaded when its source changes."""
