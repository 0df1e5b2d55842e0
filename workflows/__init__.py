"""Order and decisions: one package per workflow, and what they share."""
