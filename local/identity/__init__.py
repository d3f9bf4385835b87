"""JWTs on the local system: an issuer, and the checks of an HTTP API's JWT authorizer."""
