"""Use without a cluster: an operator over a cluster in memory, and checks of manifests and flow files.

``operator`` runs a whole operator in this process, ``validation`` checks manifests as the API server does, and
``flow_files`` checks definitions in files.

May import: everything that ``app`` may, ``app`` itself, and ``crdgen``; no service and no integration.
"""
