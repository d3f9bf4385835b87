"""The built-in task types: one file each. The build lists every module of this folder in task-types.json."""
