"""What `doctor` looks at, one module per part; each returns findings and raises nothing."""
