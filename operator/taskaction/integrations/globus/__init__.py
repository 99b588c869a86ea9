"""The ``globus`` executor: calls any Globus Action Provider, from ``run`` to ``release``."""

from taskaction.integrations.globus.executor import GlobusExecutor

__all__ = ["GlobusExecutor"]
