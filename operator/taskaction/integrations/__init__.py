"""Integrations: connections to other systems, and APIs of other frameworks on top of this operator.

``flyte``, ``port`` and ``globus``. Entry points register their executors, commands and processes.

May import: the kernel, ``runtime`` and ``app``; no service, and no other integration. The kernel imports no
integration.
"""
