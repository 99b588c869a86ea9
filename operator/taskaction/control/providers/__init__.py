"""Providers: which exist, whether they are ready, and the limits that they set.

``providers`` validates them without I/O, ``offers`` reads them and writes their status, and ``quotas`` applies and
records their limits; ``execution_events`` keeps what the execution manager reports about them.

May import: ``core``, ``api``, ``lifecycle``, ``execution``, ``cluster``, ``plugin``, ``control.objects`` and
``control.sharding``.
"""
