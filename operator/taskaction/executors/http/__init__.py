"""``http``: a request with templates, Secrets, success criteria, retries, rate limits, polling and cancel."""

from taskaction.executors.http.executor import HttpExecutor

__all__ = ["HttpExecutor"]
