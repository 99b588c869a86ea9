"""Ownership of shards: which replica may reconcile which objects.

``tenures`` knows what this process owns. ``leases`` acquires, renews and releases one Lease per shard, ``lease_bodies``
builds them, ``members`` announces this replica, ``balance`` divides the shards, and ``sightings`` measures how long a
foreign Lease has been silent.

May import: ``core``, ``api`` and ``cluster``; no other package of ``control``.
"""
