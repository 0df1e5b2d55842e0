"""The watcher of an account: one reading a minute of what changed at the provider."""

from workflows.watcher.workflow import Watch, WatcherWorkflow

__all__ = ["Watch", "WatcherWorkflow"]
