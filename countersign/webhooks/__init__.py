"""The webhook door: the one part that strangers can reach."""
