"""The pure TaskAction machine and its policies: no clock, no I/O, no Kubernetes.

``machine.step`` decides. ``state`` has what it is told, ``decisions`` what it answers, ``outcomes`` what executors
return. ``attempts`` and ``finishing`` hold the statuses and decisions about one attempt and about the end. ``endings``,
``failures`` and ``gates`` say why an action ends, is retried, or is kept back.
"""
