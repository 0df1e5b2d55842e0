"""The callback: tell the caller and the operators' subscribers of one event of an agreement."""

from workflows.callbacks.workflow import CallbackWorkflow

__all__ = ["CallbackWorkflow"]
