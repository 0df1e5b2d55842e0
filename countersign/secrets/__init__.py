"""Where secrets come from, and how they change without a restart."""
