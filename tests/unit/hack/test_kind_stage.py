"""The e2e tests on kind, as far as a machine without Docker can show it: which way is chosen, and what would be run.

Stand-ins on the PATH note how they are called and answer as little as is needed; that kind itself then works is for a
machine with Docker to show.
"""

import io
import os
import sys
import tarfile
from pathlib import Path

import pytest

from cluster import clusters
from cluster.binaries import PACKAGES, Cache
from cluster.resolve import Choice, Existing, Kind, Programs, Surroundings, docker_answers
from image.build import SBOM, Image, build
from local.examples import read_all
from support import shipped
from support.stages import on_shipped

BILL = b'{"bomFormat": "CycloneDX"}'

STAND_IN = f"""#!{sys.executable}
import os, shutil, sys
name, said = os.path.basename(sys.argv[0]), sys.argv[1:]
with open(os.environ["CALLS"], "a") as calls:
    print(name.partition("-")[0], *(word.splitlines()[0] for word in said if word), file=calls)
if name == "docker" and said[0] == "info":
    sys.exit(int(os.environ.get("NO_DAEMON", "0")))
for word in said:
    if word.startswith("--output=") and name == "docker":
        shutil.copy(os.environ["IMAGE"], word.partition("=")[2])
    if word.startswith("--kubeconfig=") and name.startswith("kind"):
        server = {{"name": "k", "cluster": {{"server": "https://127.0.0.1:1"}}}}
        context = {{"name": "k", "context": {{"cluster": "k", "user": "k"}}}}
        open(word.partition("=")[2], "w").write(str(
            {{"apiVersion": "v1", "kind": "Config", "current-context": "k", "clusters": [server], "contexts": [context],
              "users": [{{"name": "k", "user": {{"token": "t"}}}}]}}))
if name.startswith("kubectl") and "get" in said:
    print("operator-0" if "pods" in said else "2026-11-27T00:00:00Z")
"""


def saved(archive: Path) -> Path:
    """Write what `docker save` would: an archive of layers, one of which holds the bill of materials."""
    layer = archive.with_name("layer.tar")
    with tarfile.open(layer, "w") as inner:
        found = tarfile.TarInfo(SBOM)
        found.size = len(BILL)
        inner.addfile(found, io.BytesIO(BILL))
    with tarfile.open(archive, "w") as outer:
        outer.add(layer, "blobs/sha256/layer")
    return archive


class Machine:
    """A machine with docker, kind, kubectl and helm that do nothing but note their calls."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._calls = folder / "calls"
        programs = folder / "bin"
        programs.mkdir()
        kind = folder / ".pytest-kind" / "taskaction"  # where pytest-kind keeps the programs that it has fetched
        kind.mkdir(parents=True)
        patch.setattr("pytest_kind.cluster.KIND_VERSION", clusters.KIND_VERSION)
        patch.setattr("pytest_kind.cluster.KUBECTL_VERSION", clusters.KUBECTL_VERSION)
        fetched = (kind / f"kind-{clusters.KIND_VERSION}", kind / f"kubectl-{clusters.KUBECTL_VERSION}")
        for path in (programs / "docker", programs / "helm", *fetched):
            path.write_text(STAND_IN)
            path.chmod(0o755)
        patch.chdir(folder)
        patch.setenv("CALLS", str(self._calls))
        patch.setenv("IMAGE", str(saved(folder / "saved.tar")))
        patch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")

    @property
    def calls(self) -> list[str]:
        return self._calls.read_text().splitlines() if self._calls.exists() else []


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def index(calls: list[str], begin: str) -> int:
    found = [number for number, call in enumerate(calls) if call.startswith(begin)]
    assert found, f"{begin} is none of {calls}"
    return found[0]


def test_a_daemon_that_answers_is_seen(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert docker_answers()
    assert machine.calls == ["docker info"]
    monkeypatch.setenv("NO_DAEMON", "1")
    assert not docker_answers()


def test_without_a_client_there_is_no_daemon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not docker_answers()


@pytest.mark.parametrize(
    ("env", "docker", "kind"),
    [
        pytest.param({}, True, Kind, id="Docker answers: the shipped image on kind, although programs are there"),
        pytest.param({}, False, Programs, id="no Docker: the local control plane"),
        pytest.param({"KUBECONFIG": "/home/me/config"}, True, Existing, id="a cluster of the user's comes first"),
        pytest.param({"KUBECONFIG": "/home/me/config"}, False, Existing, id="and without Docker as well"),
    ],
)
def test_where_the_tests_play(env: dict[str, str], docker: bool, kind: type[Choice], tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    cache.folder.mkdir(parents=True)
    for name in PACKAGES:
        (cache.folder / name).touch()
    around = Surroundings(env, tmp_path / ".run", cache, lambda: docker, lambda: (1, 26))
    assert isinstance(shipped.choose_stage(around), kind)


@pytest.mark.usefixtures("machine")
def test_where_docker_answers_the_image_is_built_with_it(machine: Machine) -> None:
    image = build(dist=machine.folder, say=lambda _: None)
    assert image.sbom.read_bytes() == BILL
    builds = machine.calls[index(machine.calls, "docker build")]
    assert "--build-arg=VERSION=" in builds
    assert f"--tag={image.name}" in builds


def test_on_kind_the_image_is_loaded_and_the_chart_installed_before_any_test(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    created: list[str] = []
    deleted: list[str] = []
    monkeypatch.setattr("support.cluster.create_object", lambda _, body: created.append(body["metadata"]["name"]))
    monkeypatch.setattr("support.cluster.delete_namespace", lambda _, namespace: deleted.append(namespace))
    image = Image(machine.folder / "operator.tar", "localhost/taskaction-operator:1.2.3")
    cluster = clusters.KindCluster.named("taskaction")
    with on_shipped(cluster, image) as stage:
        calls = machine.calls
        order = [
            index(calls, "kind create cluster --name=taskaction"),
            index(calls, f"kind load image-archive {image.archive} --name=taskaction"),
            index(calls, "helm upgrade --install taskaction"),
            index(calls, f"kubectl --namespace={shipped.NAMESPACE} debug operator-0 --image={image.name}"),
        ]
        assert order == sorted(order)
        installs = calls[order[2]]
        for value in ("image.repository=localhost/taskaction-operator", "image.tag=1.2.3", "image.pullPolicy=Never"):
            assert f"--set={value}" in installs
        example = next(example for example in read_all() if example.name == "01-hello")
        with stage.play(example) as kubectl:
            assert created == [kubectl.namespace]
        assert deleted == [kubectl.namespace]
    assert index(machine.calls, "helm uninstall taskaction") > order[-1]


def test_an_example_that_the_image_cannot_play_is_skipped_with_the_reason(machine: Machine) -> None:
    image = Image(machine.folder / "operator.tar", "localhost/taskaction-operator:1.2.3")
    with on_shipped(clusters.KindCluster.named("taskaction"), image) as stage:
        example = next(example for example in read_all() if (example.folder / "plugin").exists())
        with pytest.raises(pytest.skip.Exception, match="it brings a plug-in"), stage.play(example):
            pass


def test_kind_and_kubectl_are_of_today_unless_the_user_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_kind.cluster.KIND_VERSION", "old")
    monkeypatch.setattr("pytest_kind.cluster.KUBECTL_VERSION", "old")
    monkeypatch.delenv("KIND_VERSION", raising=False)
    monkeypatch.setenv("KUBECTL_VERSION", "old")
    clusters.use_current_kind()
    import pytest_kind.cluster as used

    assert (used.KIND_VERSION, used.KUBECTL_VERSION) == (clusters.KIND_VERSION, "old")
