"""TaskActions: the reconciler and its parts.

``intake`` receives notifications, ``placing`` determines shard, parent and partition, ``observe`` collects the facts
for a decision, ``reconciler`` lets ``lifecycle.machine`` decide and carries out the effects, ``turns`` has what workers
do, and ``status_commit`` makes decisions durable. ``owners`` says in whose name this process decides, ``timers`` when
it looks again. ``queueing``, ``partitions`` and ``overlaps`` order the actions; ``calls``, ``sources`` and ``followed``
serve executor calls; ``cancelling``, ``target_release``, ``teardown``, ``handover`` and ``expiry`` end them;
``journal`` is the interface of logs and metrics, ``listener`` that of whoever follows actions.

May import: ``core``, ``api``, ``lifecycle``, ``execution``, ``cluster``, ``plugin``, and the packages ``objects``,
``sharding``, ``providers`` and ``events`` of ``control``.
"""
