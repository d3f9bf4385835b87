"""The functions, each with what invokes it, its role and its variables."""
