"""Batches of agreements."""

from workflows.bulk.workflow import BulkWorkflow

__all__ = ["BulkWorkflow"]
