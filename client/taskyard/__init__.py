"""The Taskyard client."""
