"""Routes: the emulated API by resource, the pages and the control API."""
