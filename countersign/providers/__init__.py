"""One package per provider, and what every provider call goes through."""
