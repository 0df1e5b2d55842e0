"""Order and decisions: the durable side of an agreement."""
