"""Task handlers, one file a task type; every module of this folder is discovered."""
