"""The DynamoDB table: keys, named conditions, records. ClientError ends here."""
