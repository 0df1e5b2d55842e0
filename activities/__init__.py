"""Side effects, one method per step."""
