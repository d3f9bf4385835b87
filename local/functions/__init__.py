"""Lambda on this machine: functions, their processes and layers."""
