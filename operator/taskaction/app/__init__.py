"""The operator process: connects the kernel to a cluster, and starts and stops it.

``wiring`` and ``flow_wiring`` build the control layer, ``control_plane`` is the result, and ``listeners`` connect parts
that are built at different times. ``observer`` turns what happens into logs and metrics, ``operator`` runs one replica,
and ``watchdog`` ends a process that is blocked longer than its leases last.

May import: the kernel (``core`` to ``control``), ``handlers`` and ``runtime``; no service and no integration.
"""
