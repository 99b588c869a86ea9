"""The operator process: connects the kernel to a cluster, and starts and stops it.

``wiring`` builds the control layer from top to bottom: ``foundation``, ``provider_wiring``, ``action_wiring``,
``flow_wiring``. ``control_plane`` is the result, ``listeners`` pass changes of ownership on. ``observer`` turns what
happens into logs and metrics, ``operator`` runs one replica, and ``watchdog`` ends a process that is blocked longer
than its leases last.

May import: the kernel (``core`` to ``control``), ``handlers`` and ``runtime``; no service and no integration.
"""
