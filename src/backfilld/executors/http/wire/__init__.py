"""The HTTP client: connections, the gate between connect and send, requests out and answers in."""
