"""The ``globus`` executor: calls any Globus Action Provider, from ``run`` to ``release``."""

from taskaction.executors.globus.executor import GlobusExecutor

__all__ = ["GlobusExecutor"]
