"""The control layer: reads what the watches report, decides, carries out the effects, and writes statuses.

One package per subject: ``objects`` (records and writes), ``sharding`` (ownership), ``providers``, ``events``
(ActionEvents), ``task_actions`` and ``flow_runs`` (the two reconcilers). ``uninstall`` ends everything before the
operator is removed. Parts ask each other for a look at an object by its key (``objects.requests``), and only the
methods of a record change it. The decisions themselves are pure functions in ``taskaction.lifecycle`` and
``taskaction.flows``.

May import: ``core``, ``api``, ``lifecycle``, ``flows``, ``execution``, ``cluster``, ``plugin`` and ``executors``. Never
``runtime``, ``handlers``, ``app``, kopf, or the kubernetes client; the rules are in ``pyproject.toml``.
"""
