"""Services: processes of their own next to the operator.

``webhooks`` receives webhooks and creates ActionEvents. ``history`` answers questions about past actions and runs.
``console`` shows actions and runs to people, and acts with their rights.
Services communicate with the operator only through Kubernetes objects and the database of the history.

May import: the kernel, ``history``, ``runtime`` and ``app``; no integration, and no other service. The kernel imports
no service.
"""
