"""The two HTTP servers of a local system: its HTTP API and its AWS."""
