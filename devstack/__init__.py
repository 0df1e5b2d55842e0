"""Everything an agreement needs, on this machine: Temporal, the sandbox, the door and a worker."""
