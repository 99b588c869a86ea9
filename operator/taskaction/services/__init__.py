"""Services: processes of their own next to the operator.

``webhooks`` receives webhooks and creates ActionEvents. Services communicate with the operator only through Kubernetes
objects.

May import: the kernel, ``runtime`` and ``app``; no integration, and no other service. The kernel imports no service.
"""
