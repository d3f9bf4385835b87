"""The notifier function: one attempt to deliver one notification."""
