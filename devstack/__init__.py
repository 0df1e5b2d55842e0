"""Everything an agreement needs, on this machine: Temporal, the sandbox, the receiver and a worker."""
