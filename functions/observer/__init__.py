"""The observer function: counts per state, and clean-up after TTL, from the stream of the table."""
