"""DynamoDB stream: counts per state, clean-up behind TTL."""
