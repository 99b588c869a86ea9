"""What a cluster says of its nodes; changes none of them."""

import json
import time
from typing import Any

from cluster.kubectl import Kubectl

SIMULATED = "kwok.x-k8s.io/node"
"""The annotation by which kwok's nodes are known: what they say of their pods has not happened."""


def has_node(kubectl: Kubectl) -> bool:
    """Whether there is a node that truly runs pods."""
    return any(SIMULATED not in node["metadata"].get("annotations", {}) for node in ready_nodes(kubectl))


def ready_nodes(kubectl: Kubectl, *, since: float = 0) -> list[dict[str, Any]]:
    """Return the nodes that say that they are ready, and have said so since a moment."""
    spoken = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(since))
    return [
        node
        for node in json.loads(kubectl("get", "nodes", "--output=json"))["items"]
        for condition in node.get("status", {}).get("conditions", ())
        if condition["type"] == "Ready" and condition["status"] == "True"
        if not since or condition["lastHeartbeatTime"] >= spoken
    ]
