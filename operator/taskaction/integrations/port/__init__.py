"""Port: runs actions that Port's users start, and runs executors that were written for Port Ocean.

``agent`` is the process that claims runs of Port and reports on them, ``ocean`` adapts executors of Port Ocean.

May import: the kernel, ``runtime`` and ``app``; no service, and no other integration.
"""
