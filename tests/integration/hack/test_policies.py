"""Admission policies act as soon as their installation returns."""

from pathlib import Path

import pytest
import yaml

from cluster.clusters import Cluster
from cluster.errors import KubectlError
from local import policies
from local.policies import API, probe


@pytest.mark.parametrize("mutating", [True, False])
def test_a_policy_acts_when_its_installation_returns(cluster: Cluster, tmp_path: Path, *, mutating: bool) -> None:
    name = f"refused-{mutating}".lower()
    path = tmp_path / "policy.yaml"
    path.write_text(yaml.safe_dump_all(probe(name, mutating=mutating)))
    try:
        policies.install(cluster.kubectl, tmp_path)
        with pytest.raises(KubectlError, match="is seen"):
            cluster.kubectl("create", "configmap", name)
    finally:
        cluster.kubectl("delete", "--filename", str(path))
    assert "probe" not in cluster.kubectl("get", "validatingadmissionpolicies", "-o", "name")


def test_kinds_that_the_server_does_not_know_are_left_out_and_named(cluster: Cluster, tmp_path: Path) -> None:
    future = {"apiVersion": API, "kind": "FutureAdmissionPolicy", "metadata": {"name": "future"}, "spec": {}}
    known = probe("known", mutating=True)
    (tmp_path / "policies.yaml").write_text(yaml.safe_dump_all([*known, future]))
    said: list[str] = []
    try:
        policies.install(cluster.kubectl, tmp_path, say=said.append)
    finally:
        cluster.kubectl("delete", "--filename=-", stdin=policies.as_list(known))
    assert said == ["cluster: without FutureAdmissionPolicy, which this API server does not know"]
