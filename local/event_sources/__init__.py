"""Lambda's event sources: queues and table streams."""
