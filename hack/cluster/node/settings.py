"""The command lines and configuration files of a node's programs; pure, starts nothing."""

import json
from pathlib import Path
from typing import Any

import yaml

from cluster.node.inside import WORK
from cluster.node.link import BRIDGE, GATEWAY, PODS

KUBELET, CONTAINERD = "kubelet", "containerd"
NODE = "node"
SOCKET = "/run/containerd/containerd.sock"
PAUSE_IMAGE = "registry.local/pause:1"
BUSYBOX_IMAGE = "docker.io/library/busybox:1.36"
"""By the name that examples and tests use, since there is no registry that could be asked."""
QPS = 100
"""Kubelet's pace is not what is looked at here."""


def apiserver(state: Path) -> list[str]:
    """Return the flags in which a node's API server differs: pods and the host reach it, and it calls kubelet."""
    keys = state / "pki"
    return [
        "--bind-address=0.0.0.0",
        f"--advertise-address={GATEWAY}",
        f"--kubelet-client-certificate={keys}/admin.pem",
        f"--kubelet-client-key={keys}/admin.pem",
        f"--kubelet-certificate-authority={keys}/ca.crt",
        "--kubelet-preferred-address-types=InternalIP",
    ]


def kubelet(state: Path) -> list[str]:
    """Return kubelet's flags."""
    return [
        f"--config={state}/kubelet.yaml",
        f"--kubeconfig={state}/kubelet.kubeconfig",
        f"--root-dir={WORK}/kubelet",
        f"--cert-dir={state}/pki",
        f"--hostname-override={NODE}",
        f"--node-ip={GATEWAY}",
    ]


def containerd(state: Path) -> list[str]:
    """Return containerd's flags."""
    return [f"--config={state}/containerd.toml", f"--root={WORK}/containerd", f"--address={SOCKET}"]


def files(state: Path, programs: Path, cgroup: str) -> dict[str, str]:
    """Return the content of every configuration file, by its place in the state folder."""
    return {
        "kubelet.yaml": yaml.safe_dump(kubelet_settings(state, cgroup)),
        "containerd.toml": toml(containerd_settings(state, programs)),
        "cni/10-pods.conflist": json.dumps(network()),
    }


def kubelet_settings(state: Path, cgroup: str) -> dict[str, Any]:
    """Return kubelet's configuration: whatever the machine lacks or has too little of, it takes pods."""
    keys = state / "pki"
    signals = "memory", "nodefs", "imagefs", "pid"
    evictions = {f"{name}.available": "0%" for name in signals}
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": GATEWAY,
        "readOnlyPort": 0,
        "authentication": {"webhook": {"enabled": True}, "x509": {"clientCAFile": f"{keys}/ca.crt"}},
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{keys}/kubelet.crt",
        "tlsPrivateKeyFile": f"{keys}/kubelet.key",
        "containerRuntimeEndpoint": f"unix://{SOCKET}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{cgroup}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "localStorageCapacityIsolation": False,
        "evictionHard": evictions | {"nodefs.inodesFree": "0%", "imagefs.inodesFree": "0%"},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "makeIPTablesUtilChains": False,
        # There is no name server: names are refused at once, instead of after seconds.
        "clusterDNS": ["127.0.0.1"],
        "resolvConf": "",
        "podLogsDir": f"{WORK}/logs",
        "volumePluginDir": f"{WORK}/plugins",
        "maxPods": 200,
        "eventRecordQPS": 0,
        "kubeAPIQPS": QPS,
        "kubeAPIBurst": QPS * 2,
    }


def containerd_settings(state: Path, programs: Path) -> dict[str, Any]:
    """Return containerd's configuration."""
    runc = {
        "runtime_type": "io.containerd.runc.v2",
        "options": {"BinaryName": f"{programs}/runc", "SystemdCgroup": False},
    }
    runtime = {
        "disable_apparmor": True,
        "restrict_oom_score_adj": True,  # root may lack the right to lower it
        "containerd": {"default_runtime_name": "runc", "runtimes": {"runc": runc}},
        "cni": {"bin_dirs": [str(programs)], "conf_dir": f"{state}/cni"},
    }
    images = {"snapshotter": "overlayfs", "pinned_images": {"sandbox": PAUSE_IMAGE}}
    plugins = {"io.containerd.cri.v1.runtime": runtime, "io.containerd.cri.v1.images": images}
    return {"version": 3, "plugins": plugins}


def network() -> dict[str, Any]:
    """Return the pods' network: one bridge, no translation and no way out."""
    ranges = [[{"subnet": PODS, "gateway": GATEWAY, "rangeStart": "10.244.1.0"}]]
    bridge = {
        "type": "bridge",
        "bridge": BRIDGE,
        "hairpinMode": True,
        "ipam": {"type": "host-local", "ranges": ranges, "routes": [{"dst": "0.0.0.0/0"}]},
    }
    return {"cniVersion": "0.4.0", "name": BRIDGE, "plugins": [bridge]}


def toml(content: dict[str, Any], path: tuple[str, ...] = ()) -> str:
    """Write nested settings as TOML, whose plain values read like JSON's."""
    plain = {name: value for name, value in content.items() if not isinstance(value, dict)}
    lines = [f"[{'.'.join(map(json.dumps, path))}]"] if path and plain else []
    lines += [f"{name} = {json.dumps(value)}" for name, value in plain.items()]
    nested = [toml(value, (*path, name)) for name, value in content.items() if isinstance(value, dict)]
    return "\n".join([*lines, *nested])
