"""The contract: what callers, workflow, receiver and providers say to each other.

Imports nothing of ours, and besides it only pydantic and `temporalio.common`.
"""
