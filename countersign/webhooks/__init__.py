"""The webhook receiver, the one part that is open to the internet."""
