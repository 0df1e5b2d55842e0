"""The notices: look for problems, and notify operators of each one once."""

from workflows.notices.workflow import NoticesState, NoticesWorkflow

__all__ = ["NoticesState", "NoticesWorkflow"]
