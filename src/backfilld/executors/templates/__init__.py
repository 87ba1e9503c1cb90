"""Values put into the templates of requests and command lines."""
