"""The rules: pure, no AWS, no clock and no randomness of their own."""
