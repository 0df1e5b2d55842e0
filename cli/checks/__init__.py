"""The checks of `doctor`, one module per part. Checks return findings and raise nothing."""
