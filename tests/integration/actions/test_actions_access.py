"""Who may call the Actions service: tokens are reviewed, rights are asked for, and TLS is spoken where it is set up."""

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.actions.actions_service_connect import ActionsServiceClient, ActionsServiceClientSync
from flyteidl2.actions.actions_service_pb2 import AbortRequest
from flyteidl2.actions.actions_service_pb2_grpc import ActionsServiceStub

from cluster.certificates import Authority, KeyPair
from cluster.clusters import Cluster
from support.actions_services import ActionsServices, action_id, task
from support.flytesdk import environment
from support.flytesdk.program import Story, by_command, words

READER, WRITER = "reader", "writer"
SECONDS = 60


def write(folder: Path, name: str, pair: KeyPair) -> tuple[str, str]:
    """Write a certificate and its key, and give their paths."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    certificate.write_bytes(pair.certificate)
    key.write_bytes(pair.key)
    return str(certificate), str(key)


@pytest.fixture(scope="module")
def services(crds: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ActionsServices]:
    namespace = "flyte-access-tests"
    crds.kubectl("create", "namespace", namespace)
    kubectl = crds.kubectl.within(namespace)
    found = ActionsServices(kubectl, namespace, tmp_path_factory.mktemp("access"))
    for name, verbs in ((READER, "get,list,watch"), (WRITER, "get,list,watch,create")):
        kubectl("create", "serviceaccount", name)
        kubectl("create", "role", name, f"--verb={verbs}", "--resource=taskactions.taskaction.dev")
        kubectl("create", "rolebinding", name, f"--role={name}", f"--serviceaccount={namespace}:{name}")
    found.start(authentication="token")
    yield found
    found.close()
    crds.kubectl("delete", "namespace", namespace, "--wait=false")


async def code_of(services: ActionsServices, token: str | None, run: str) -> Code | None:
    """Enqueue, and give the code of the refusal."""
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    async with ActionsServiceClient(services.url) as client:
        try:
            await client.enqueue(task(run), headers=headers)
        except ConnectError as refused:
            return refused.code
    return None


async def test_a_call_without_a_good_token_is_refused(services):
    assert await code_of(services, None, "nobody") == Code.UNAUTHENTICATED
    assert await code_of(services, "made.up.token", "nobody") == Code.UNAUTHENTICATED


async def test_a_caller_may_do_what_their_role_says_and_no_more(services):
    assert await code_of(services, services.token(READER), "reader") == Code.PERMISSION_DENIED
    assert await code_of(services, services.token(WRITER), "writer") is None
    async with ActionsServiceClient(services.url) as client:
        with pytest.raises(ConnectError, match="may not abort taskactions") as refused:
            await client.abort(
                AbortRequest(action_id=action_id("writer")),
                headers={"authorization": f"Bearer {services.token(WRITER)}"},
            )
    assert refused.value.code == Code.PERMISSION_DENIED


async def test_nobody_gets_by_a_task_the_rights_of_an_account_that_they_may_not_use(services):
    async def enqueue(run: str, account: str) -> None:
        request = task(run, kind="python")
        template = request.action.task.spec.task_template
        template.container.image = "registry.local/flyte:1"
        template.security_context.run_as.k8s_service_account = account
        async with ActionsServiceClient(services.url) as client:
            await client.enqueue(request, headers={"authorization": f"Bearer {services.token(WRITER)}"})

    for account in ("", READER):
        with pytest.raises(
            ConnectError, match=f"as ServiceAccount '{account or 'default'}'.* not impersonate"
        ) as refused:
            await enqueue("borrowed", account)
        assert refused.value.code == Code.PERMISSION_DENIED
    await enqueue("own", WRITER)
    found = services.kubectl("get", "ta", "-l", "flyte.org/run=own", "-o", "jsonpath={.items[*].spec.runAs}")
    assert found == f'{{"serviceAccountName":"{WRITER}"}}'


async def test_every_call_is_in_the_log_and_no_token_is(services):
    token = services.token(WRITER)
    await code_of(services, token, "logged")
    log = services.running[-1].log.read_text()
    line = next(line for line in log.splitlines() if "shop/test/logged/a0" in line)
    assert f"system:serviceaccount:{services.namespace}:{WRITER}" in line
    assert "Enqueue" in line
    assert token not in log


@pytest.mark.timeout(600)
def test_a_program_of_flyte_shows_its_accounts_token_by_a_command(services, tmp_path):
    run = action_id("command").run
    with ActionsServiceClientSync(services.url) as client:
        client.enqueue(task(run.name), headers={"authorization": f"Bearer {services.token(WRITER)}"})
    token = tmp_path / "token"
    token.write_text(services.token(WRITER))
    story = Story(python=environment.python(), address=services.url, run=run, folder=tmp_path)
    told = story.ended(story.start("traces", by_command("cat", str(token))), SECONDS)
    assert words(told) == ["ONE", "TWO", "three is broken"]
    log = services.running[-1].log.read_text().splitlines()
    assert any(f"{services.namespace}:{WRITER}" in line and "WatchForUpdates" in line for line in log)


def test_grpc_over_tls_asks_for_the_clients_certificate_where_that_is_set(services, tmp_path):
    authority = Authority()
    ca = tmp_path / "ca.pem"
    ca.write_bytes(authority.certificate)
    certificate, key = write(tmp_path, "server", authority.server("actions", ["127.0.0.1"]))
    client = authority.client("client")
    program = services.running.pop()
    program.end(grace=20)
    services.start(authentication="token", tls_cert_file=certificate, tls_key_file=key, tls_client_ca_file=str(ca))
    token = (("authorization", f"Bearer {services.token(WRITER)}"),)
    known = grpc.ssl_channel_credentials(authority.certificate, client.key, client.certificate)
    with grpc.secure_channel(services.address, known) as channel:
        ActionsServiceStub(channel).Enqueue(task("tls"), metadata=token, timeout=30)
    stranger = grpc.ssl_channel_credentials(authority.certificate)
    with grpc.secure_channel(services.address, stranger) as channel, pytest.raises(grpc.RpcError) as refused:
        ActionsServiceStub(channel).Enqueue(task("stranger"), metadata=token, timeout=30)
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
