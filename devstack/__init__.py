"""The local stack for development: Temporal, the sandbox, the receiver and a worker."""
