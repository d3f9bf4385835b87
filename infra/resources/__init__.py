"""Resources that functions use: table, bucket, queues, schedule groups, and the names of the state machines."""
