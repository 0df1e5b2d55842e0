"""The contract: what callers, workflow, receiver and providers say to each other. Imports pydantic only."""
