"""``resource``: any object of any kind, with conditions for its success and failure."""

from taskaction.executors.resource.executor import ResourceExecutor

__all__ = ["ResourceExecutor"]
