"""The command line over the starter."""
