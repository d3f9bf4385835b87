"""Files that people write, read strictly: JSON, YAML, and workflow files."""
