"""The command lines of a control plane's programs; pure, starts nothing."""

from pathlib import Path

from cluster.ports import HOST, Ports

ETCD, APISERVER, CONTROLLERS, SCHEDULER = "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"
SERVICE_RANGE = "10.0.0.0/24"


def etcd(state: Path, ports: Ports) -> list[str]:
    """Return etcd's flags; plain HTTP, since nothing outside this machine can reach it."""
    client, peer = f"http://{HOST}:{ports.etcd}", f"http://{HOST}:{ports.etcd_peer}"
    return [
        f"--data-dir={state}/etcd",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",  # a crash of the whole machine may lose the data; a crash of etcd does not
    ]


def apiserver(state: Path, ports: Ports) -> list[str]:
    """Return kube-apiserver's flags."""
    keys = state / "pki"
    return [
        f"--etcd-servers=http://{HOST}:{ports.etcd}",
        f"--secure-port={ports.apiserver}",
        f"--bind-address={HOST}",
        f"--advertise-address={HOST}",
        f"--cert-dir={keys}",
        f"--tls-cert-file={keys}/apiserver.crt",
        f"--tls-private-key-file={keys}/apiserver.key",
        f"--client-ca-file={keys}/ca.crt",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={keys}/sa.key",
        f"--service-account-signing-key-file={keys}/sa.key",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        "--authorization-mode=Node,RBAC",
        "--allow-privileged",
    ]


def controllers(state: Path, ports: Ports, *, kube_api_qps: int) -> list[str]:
    """Return kube-controller-manager's flags; `kube_api_qps` is also the pace of its garbage collection."""
    keys = state / "pki"
    return [
        f"--kubeconfig={state}/controllers.kubeconfig",
        f"--service-account-private-key-file={keys}/sa.key",
        f"--root-ca-file={keys}/ca.crt",
        f"--bind-address={HOST}",
        f"--secure-port={ports.controllers}",
        f"--cert-dir={keys}",
        f"--kube-api-qps={kube_api_qps}",
        f"--kube-api-burst={kube_api_qps * 3 // 2}",
        "--use-service-account-credentials",
        "--leader-elect=false",
        "--controllers=*,-node-ipam-controller,-cloud-node-lifecycle-controller",  # a node has its addresses already
    ]


def scheduler(state: Path) -> list[str]:
    """Return kube-scheduler's flags."""
    return [
        f"--kubeconfig={state}/scheduler.kubeconfig",
        "--secure-port=0",  # nobody asks it anything
        "--leader-elect=false",
        "--kube-api-qps=200",  # its pace is not what is looked at here
        "--kube-api-burst=400",
    ]
