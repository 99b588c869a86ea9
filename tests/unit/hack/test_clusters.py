"""Clusters that somebody else brings up."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from cluster import clusters
from cluster.clusters import ExistingCluster, KindCluster, bring_up, find_kubectl, kept_pods
from cluster.controlplane import SETTINGS
from cluster.errors import ClusterError
from cluster.pods import Way
from cluster.resolve import Existing

KUBECTL = """#!/bin/sh
echo "KUBECONFIG=$KUBECONFIG $@" >> {log}
echo "kind: Config"
"""


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that notes how it was called."""
    program, log = tmp_path / "kubectl", tmp_path / "calls"
    program.write_text(KUBECTL.format(log=log))
    program.chmod(0o755)
    monkeypatch.setattr(clusters, "find_kubectl", lambda: program)
    return log


def test_only_the_chosen_context_of_an_existing_cluster_is_used(tmp_path: Path, kubectl: Path) -> None:
    choice = Existing("/theirs", "dev")
    cluster = bring_up(choice, name="unused", state=tmp_path / "state", say=lambda _: None)
    assert kubectl.read_text() == "KUBECONFIG=/theirs config view --raw --minify --flatten --context=dev\n"
    assert cluster.kubeconfig.read_text() == "kind: Config\n"
    assert cluster.kubeconfig.stat().st_mode & 0o077 == 0
    cluster.stop()
    assert not (tmp_path / "state").exists()


def test_several_kubeconfig_files_are_merged_as_kubectl_does(kubectl: Path) -> None:
    ExistingCluster(Existing("/a:/b")).stop()
    assert kubectl.read_text() == "KUBECONFIG=/a:/b config view --raw --minify --flatten\n"


def test_kind_is_found_again_and_deleted(tmp_path: Path) -> None:
    done: list[str] = []
    kind = SimpleNamespace(
        create=lambda: done.append("create"),
        ensure_kubectl=lambda: done.append("kubectl"),
        delete=lambda: done.append("delete"),
        kubeconfig_path=tmp_path / "kubeconfig",
        kubectl_path=tmp_path / "kubectl",
    )
    cluster = KindCluster(kind)
    assert cluster.kubeconfig == tmp_path / "kubeconfig"
    cluster.stop()
    assert done == ["create", "kubectl", "delete"]


def test_without_any_kubectl_the_mend_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ClusterError, match="no kubectl on the PATH"):
        find_kubectl({})


def test_a_kubectl_beside_the_test_assets_is_good_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    (tmp_path / "kubectl").touch()
    assert find_kubectl({"KUBEBUILDER_ASSETS": str(tmp_path)}) == tmp_path / "kubectl"


@pytest.mark.parametrize(
    ("settings", "way"),
    [('{"pods": "real"}', Way.REAL), ('{"pods": "kwok"}', Way.SIMULATED), ("{}", Way.NONE)],
    ids=["a node", "kwok", "made before there were nodes"],
)
def test_a_kept_cluster_stays_what_it_was_made_for(tmp_path: Path, settings: str, way: Way) -> None:
    (tmp_path / SETTINGS).write_text(settings)
    found = kept_pods(tmp_path)
    assert found is not None
    assert found.way is way
    assert "make down" in found.why


def test_a_new_cluster_may_be_made_for_anything(tmp_path: Path) -> None:
    assert kept_pods(None) is None
    assert kept_pods(tmp_path) is None
