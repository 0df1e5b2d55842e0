"""The HTTP API: agreements over HTTP for callers in any language. `api.py` runs it."""
