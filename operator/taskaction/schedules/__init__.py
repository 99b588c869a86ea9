"""The pure core of schedules: which times a schedule has, and what is due now; no clock, no I/O, no Kubernetes.

``times`` has the nominal times of a cron expression or an interval, ``cron_fields`` reads the expression, ``zones`` has
the time zones of the package ``tzdata``. ``due.decide`` says what to start at a moment.
"""
