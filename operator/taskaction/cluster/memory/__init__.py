"""An API server in memory, for trying actions out and for tests; contract tests keep it like a real one."""

from taskaction.cluster.memory.cluster import SERVED, MemoryCluster

__all__ = ["SERVED", "MemoryCluster"]
