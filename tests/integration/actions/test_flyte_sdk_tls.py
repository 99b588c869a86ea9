"""The published Flyte SDK against an Actions service that speaks TLS, by an authority that only the test knows."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml
from flyteidl2.actions.actions_service_pb2_grpc import ActionsServiceStub
from grpc import secure_channel, ssl_channel_credentials

from cluster.certificates import Authority
from cluster.clusters import Cluster
from local.operator_process import Operator
from support.actions_services import ActionsServices, action_id, task
from support.api import list_objects
from support.flytesdk import environment
from support.flytesdk.program import RUST, Story, by_command, words

pytestmark = [pytest.mark.usefixtures("operator"), pytest.mark.timeout(600)]
WRITER, NAMESPACE = "writer", "flyte-sdk-tls-tests"
SECONDS = 120


class Trust:
    """An authority, and the service that has its certificate."""

    def __init__(self, services: ActionsServices) -> None:
        self.services = services
        self.authority = Authority()
        pair = self.authority.server("actions", ["127.0.0.1"])
        self.settings = {"task_types": "python=noop,parent=approval"}
        for name, content in (("tls_cert_file", pair.certificate), ("tls_key_file", pair.key)):
            path = services.folder / name
            path.write_bytes(content)
            self.settings[name] = str(path)
        self.ca = services.folder / "ca.pem"
        self.ca.write_bytes(self.authority.certificate)

    def story(self, name: str, folder: Path) -> Story:
        """Enqueue the root of a run, for a program that speaks TLS."""
        token = (("authorization", f"Bearer {self.services.token(WRITER)}"),)
        with secure_channel(self.services.address, ssl_channel_credentials(self.authority.certificate)) as channel:
            root = task(name, kind="parent", prompt="the program's own action")
            ActionsServiceStub(channel).Enqueue(root, metadata=token, timeout=SECONDS)
        (folder / "token").write_text(token[0][1].removeprefix("Bearer "))
        url = f"https://{self.services.address}"
        return Story(python=environment.python(), address=url, run=action_id(name).run, folder=folder)


@pytest.fixture(scope="module")
def trust(crds: Cluster, operator: Operator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trust]:
    del operator
    crds.kubectl("create", "namespace", NAMESPACE)
    kubectl = crds.kubectl.within(NAMESPACE)
    kubectl("create", "serviceaccount", WRITER)
    kubectl("create", "role", WRITER, "--verb=get,list,watch,create,abort", "--resource=taskactions.taskaction.dev")
    kubectl("create", "rolebinding", WRITER, f"--role={WRITER}", f"--serviceaccount={NAMESPACE}:{WRITER}")
    services = ActionsServices(kubectl, NAMESPACE, tmp_path_factory.mktemp("tls"))
    yield Trust(services)
    services.close()
    crds.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def by_variable(trust: Trust, folder: Path) -> Mapping[str, str]:
    """Trust an authority by OpenSSL's variable, and show a token by a command."""
    return {"SSL_CERT_FILE": str(trust.ca), **by_command("cat", str(folder / "token"))}


def by_file(trust: Trust, folder: Path) -> Mapping[str, str]:
    """Trust an authority and show a token by a file of Flyte's settings."""
    settings = {
        "admin": {
            "endpoint": f"https://{trust.services.address}",
            "caCertFilePath": str(trust.ca),
            "authType": "ExternalCommand",
            "command": ["cat", str(folder / "token")],
        }
    }
    path = folder / "flyte.yaml"
    path.write_text(yaml.safe_dump(settings))
    return {"FLYTECTL_CONFIG": str(path)}


@pytest.mark.parametrize("trusting", [by_variable, by_file])
def test_the_python_controller_speaks_tls_and_shows_its_token(trust, tmp_path, trusting):
    if not trust.services.running:
        trust.services.start(authentication="token", **trust.settings)
    name = trusting.__name__.replace("_", "")
    story = trust.story(name, tmp_path)
    story.ended(story.start("fanout", trusting(trust, tmp_path), count=3), SECONDS)
    selector = f"flyte.org/run={name},flyte.org/is-root=false"
    children = list_objects(trust.services.kubectl, "ta", selector)
    assert [one["status"]["phase"] for one in children] == ["Succeeded"] * 3
    log = trust.services.running[-1].log.read_text().splitlines()
    assert any(f"{NAMESPACE}:{WRITER}" in line and "WatchForUpdates" in line and f"/{name}/" in line for line in log)


def test_the_rust_controller_speaks_tls(trust, tmp_path):
    trust.services.kill()
    trust.services.start(authentication="none", **trust.settings)
    story = trust.story("rust", tmp_path)
    told = words(story.ended(story.start("traces", {**RUST, "SSL_CERT_FILE": str(trust.ca)}), SECONDS))
    assert told == ["ONE", "TWO", "three is broken"]
