"""The one HTTP client: every request of a function to a receiver outside AWS."""
