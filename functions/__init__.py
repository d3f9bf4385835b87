"""What is deployed: one asset, one entry point a folder."""
