"""Finds out by trying whether this machine can run a node; leaves nothing behind and decides nothing."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from cluster import cgroups
from cluster.node.link import NETWORK

TOOLS = {"unshare": "util-linux", "nsenter": "util-linux", "mount": "util-linux", "ip": "iproute2"}
TRIAL = """
set -e
ip link add trial type bridge
ip link add trial0 type veth peer name trial1
mkdir lower upper work merged
mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged
mount -t proc proc /proc
"""
"""What every start does, in namespaces that end with it."""
TRIAL_SECONDS = 20


def obstacle() -> str | None:
    """Return what is in the way, as part of a sentence."""
    if sys.platform != "linux":
        return "a node needs Linux"
    if os.geteuid() != 0:
        return "a node needs root"
    missing = {package for tool, package in TOOLS.items() if not shutil.which(tool)}
    if missing:
        return f"a node needs the tools of {' and '.join(sorted(missing))}: install them"
    if not all(os.access(hierarchy, os.W_OK) for hierarchy in cgroups.hierarchies()):
        return f"a node needs control groups of its own, and {cgroups.ROOT} cannot be written to"
    return proxied(os.environ) or trial()


def proxied(env: Mapping[str, str]) -> str | None:
    """Return what is in the way of programs on the host that go through a proxy, as kubectl does."""
    given = {name.upper(): value for name, value in env.items()}
    if given.get("HTTPS_PROXY") and NETWORK not in given.get("NO_PROXY", ""):
        return f"HTTPS_PROXY is set, so NO_PROXY has to name {NETWORK}, where a node is reached"
    return None


def trial() -> str | None:
    """Do what a start does; the kernel, or the container that this runs in, may not allow it."""
    command = ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child=KILL", "--propagation=private"]
    with tempfile.TemporaryDirectory(prefix="taskaction-trial-") as folder:
        try:
            done = subprocess.run(
                [*command, "sh", "-c", TRIAL],
                cwd=Path(folder),
                capture_output=True,
                text=True,
                check=False,
                timeout=TRIAL_SECONDS,
            )
        except subprocess.TimeoutExpired:
            return "a node needs namespaces, and to make them takes too long"
    if done.returncode:
        return f"a node needs namespaces, overlay mounts and network bridges, but: {' '.join(done.stderr.split())}"
    return None
