"""How a call reaches the API: endpoint, credentials, connection, retries, time-outs, errors of the network."""
