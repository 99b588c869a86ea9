"""Providers: which exist, whether they are ready, and the limits that they set.

``providers`` validates them without I/O, ``offers`` reads them and writes their status, and ``quotas`` applies and
records their limits.

May import: ``core``, ``api``, ``lifecycle``, ``execution``, ``cluster``, ``plugin``, ``control.objects``, and from
``control.task_actions`` the recorder and the key function.
"""
