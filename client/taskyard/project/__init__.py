"""`taskyard init`: a new project that uses Taskyard."""
