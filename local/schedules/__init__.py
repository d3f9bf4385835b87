"""EventBridge Scheduler on this machine."""
