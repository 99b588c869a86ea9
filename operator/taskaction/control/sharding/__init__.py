"""Ownership of shards: which replica may reconcile which objects.

``tenures`` knows what this process owns. ``leases`` acquires and releases one Lease for each shard, and tells a
``lease_listener``; ``replica_lease`` renews the one of this replica. ``lease_bodies`` builds them, ``peers`` and
``sightings`` judge those of others, ``balance`` divides the shards, and ``scope`` says what is taken from the watch.

May import: ``core``, ``api`` and ``cluster``; no other package of ``control``.
"""
