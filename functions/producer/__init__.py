"""The doors without HTTP: firings, by EventBridge Scheduler alone, and submits, by whoever may invoke the producer."""
