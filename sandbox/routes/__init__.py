"""The emulated API, one module per resource, and the sandbox's own pages and controls."""
