"""Flyte: runs actions on Flyte, and serves the Actions API that Flyte's control plane uses.

``executor`` starts and polls Flyte executions, ``service`` is the process that serves the API on TaskActions.

May import: the kernel, ``runtime`` and ``app``; no service, and no other integration.
"""
