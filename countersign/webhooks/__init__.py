"""The webhook receiver: the one part that strangers can reach."""
