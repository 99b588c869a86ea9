"""API server in memory, for local runs and tests; contract tests compare it with a real one."""

from taskaction.cluster.memory.cluster import SERVED, MemoryCluster

__all__ = ["SERVED", "MemoryCluster"]
