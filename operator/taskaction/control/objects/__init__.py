"""Records of live actions and runs, and everything that both kinds share as Kubernetes objects.

``owned`` is what all records have in common, ``records`` holds those of actions, ``tables`` finds them. ``requests``
has the queues of keys by which parts ask for a look at an object. ``writer`` writes statuses, ``objects`` edits
finalizers and owners, ``events`` posts Kubernetes Events. ``tree`` and ``family`` track parents and children,
``expiry`` deletes finished objects, ``sweep`` finds missed deletions, ``listing`` lists namespaces, and ``background``
runs tasks.

May import: ``core``, ``api``, ``lifecycle``, ``execution``, ``cluster`` and ``control.sharding``.
"""
