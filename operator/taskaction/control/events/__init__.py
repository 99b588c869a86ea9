"""ActionEvents: which action each is for, and its delivery to the action's executor.

``dispatcher`` keeps, delivers and deletes events, ``matching`` finds their action, ``contents`` loads their
bytes, ``unmatched`` reports those that match none, and ``reports`` parses events of type ``Update``.

May import: ``core``, ``api``, ``lifecycle``, ``execution``, ``cluster``, ``plugin``, ``control.objects`` and
``control.sharding``.
"""
