"""What the API and the producer do with a request: parse it, check it, accept it, build its response."""
