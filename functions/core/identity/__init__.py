"""Who calls, and what they may do: pure rules. Entry points hand in what API Gateway has verified."""
