"""What both doors do with a request, HTTP and the producer: read it, check it, accept it, answer it."""
