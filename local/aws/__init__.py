"""AWS on this machine: moto in this process, its requests, and the template's resources in it."""
