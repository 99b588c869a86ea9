"""TaskActions: the reconciler and its parts.

``intake`` receives notifications, ``observe`` collects the facts for a decision, ``reconciler`` lets
``lifecycle.machine`` decide and carries out the effects, and ``status_commit`` makes decisions durable. ``queueing``,
``partitions`` and ``overlaps`` order the actions; ``calls``, ``sources`` and ``followed`` serve executor calls;
``cancelling``, ``target_release``, ``teardown`` and ``handover`` end them; ``journal`` is the interface of logs and
metrics.

May import: ``core``, ``api``, ``lifecycle``, ``execution``, ``cluster``, ``plugin``, and the packages ``objects``,
``sharding``, ``providers`` and ``events`` of ``control``.
"""
