"""ActionSchedules: makes an action or a run of a flow at each nominal time.

``records`` holds the schedules, ``intake`` receives notifications, ``reconciler`` lets ``schedules.due`` decide and
carries the decision out. ``objects`` creates, lists and deletes what schedules make, ``manifests`` builds it, and
``history`` chooses which finished objects ``pruning`` deletes. ``statuses`` builds the status.

May import: ``core``, ``api``, ``lifecycle``, ``schedules``, ``execution``, ``cluster``, ``plugin``, ``executors``, and
the packages ``objects`` and ``sharding`` of ``control``.
"""
