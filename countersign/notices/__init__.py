"""Send notices of problems to operators, by webhook and by mail."""
