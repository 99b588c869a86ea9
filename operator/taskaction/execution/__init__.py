"""Queues, partitions and workers in asyncio; knows runs, keys and coroutines, never Kubernetes.

``manager`` assigns runs to workers. ``queue`` orders them, with ``lanes`` (its entries), ``ring`` (whose turn it is),
``shares`` (of namespaces) and ``limits`` (of sources). ``buffer`` keeps those outside of a full queue, ``parking`` runs
that wait for a quota, ``pacing`` the rate of starts. ``agenda`` has timers by key, ``work_queue`` requests by key.
``work_desk`` matches runs with remote workers, ``assignments`` is the state machine of what such a worker has.
"""
