"""Records of live actions and runs, and everything that both kinds share as Kubernetes objects.

``owned`` is the common interface of the records, ``records`` holds those of actions. ``writer`` writes statuses,
``objects`` edits finalizers and owners, ``events`` posts Kubernetes Events. ``tree`` and ``family`` track parents and
children, ``expiry`` deletes finished objects, ``sweep`` finds missed deletions, ``listing`` lists namespaces, and
``background`` runs tasks.

May import: ``core``, ``api``, ``lifecycle``, ``execution`` and ``cluster``; no other package of ``control``.
"""
