"""ActionFlows and ActionFlowRuns: validation of flows, and the reconciler of runs.

``records`` and ``tables`` hold the live runs, ``intake`` receives notifications, ``child_events`` what becomes of their
actions, ``teardown`` and ``expiry`` end runs. ``reconciler`` lets ``flows.machine`` decide, ``persistence`` writes the
status with the help of ``statuses``, ``vault`` (private data) and ``files`` (large data), and ``effects`` starts and
stops actions through ``children`` and ``inline``. ``definitions`` loads the flow of a run; ``catalogue``,
``validation`` and ``inputs`` validate flows; ``signals``, ``translation`` and ``events`` connect runs to their actions
and users. The language itself is ``taskaction.flows``.

May import: ``core``, ``api``, ``lifecycle``, ``flows``, ``execution``, ``cluster``, ``plugin``, and the packages
``objects``, ``sharding``, ``providers`` and ``task_actions`` of ``control``.
"""
