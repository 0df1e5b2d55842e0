"""The contract among callers, workflow, webhook receiver and providers.

Imports only this package, pydantic and `temporalio.common`; `child` also `temporalio.workflow`.
"""
