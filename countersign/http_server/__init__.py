"""The HTTP server of every process: limits for requests and connections, TLS, and a graceful stop."""
