"""Parameters from Secrets and ConfigMaps: read as the action's own account, put in their place, never told."""

from base64 import b64encode
from typing import Any

import pytest

from support.fake_cluster import FakeCluster
from support.memory_operator import MemoryOperator, actions
from taskaction.api.task_action import ParametersSource
from taskaction.cluster.errors import ForbiddenError, UnavailableError
from taskaction.cluster.gateway import CONFIG_MAPS, SECRETS
from taskaction.control.task_actions.sources import ParameterSources, ServiceAccountRef
from taskaction.plugin.errors import AccessDeniedError, ActionError, InvalidParametersError, MissingSourceError
from taskaction.plugin.secrets import reveal

SECRET_TEXT = "the-secret-text"
ADA = ServiceAccountRef(namespace="team-a", name="ada")


@pytest.fixture
def cluster() -> FakeCluster:
    cluster = FakeCluster()
    values = {
        "token": SECRET_TEXT.encode(),
        "json": b'{"deep": [1]}',
        "no-json": b"{the-secret-text",
        "large": b'{"the-secret-text": 9223372036854775808}',
        "binary": b"\xff",
        "many": b"[[" + b",".join([b"1"] * 10_000) + b"]]",
    }
    data = {key: b64encode(value).decode() for key, value in values.items()} | {"no-base64": "the-secret-text!"}
    for namespace in ("team-a", "team-b", "kube-system"):
        metadata = {"name": "login", "namespace": namespace}
        cluster.store(SECRETS, {"kind": "Secret", "metadata": metadata, "data": data})
    metadata = {"name": "settings", "namespace": "team-a"}
    cluster.store(CONFIG_MAPS, {"kind": "ConfigMap", "metadata": metadata, "data": {"url": "http://x", "number": "7"}})
    cluster.store(SECRETS, {"kind": "Secret", "metadata": {"name": "empty", "namespace": "team-a"}})
    return cluster


def sources(cluster: FakeCluster, account: ServiceAccountRef = ADA, *, any_namespace: bool = False) -> ParameterSources:
    return ParameterSources(
        cluster=cluster, account=account, closed=frozenset({"kube-system"}), any_namespace=any_namespace
    )


def secret(parameter: str, key: str = "token", name: str = "login", **more: Any) -> ParametersSource:
    ref = {"name": name, "key": key, "optional": more.pop("optional", False)}
    return ParametersSource.model_validate({"parameter": parameter, "secretKeyRef": ref, **more})


def config_map(parameter: str, key: str = "url", **more: Any) -> ParametersSource:
    ref = {"name": "settings", "key": key}
    return ParametersSource.model_validate({"parameter": parameter, "configMapKeyRef": ref, **more})


MERGES = [
    pytest.param({"a": 1}, [], {"a": 1}, id="nothing to read"),
    pytest.param({"a": 1}, [secret("token")], {"a": 1, "token": SECRET_TEXT}, id="beside the others"),
    pytest.param({"token": "x"}, [secret("token")], {"token": SECRET_TEXT}, id="in the place of another"),
    pytest.param({}, [secret("auth.token")], {"auth": {"token": SECRET_TEXT}}, id="in an object that it makes"),
    pytest.param(
        {"auth": {"user": "ada"}},
        [secret("auth.token"), config_map("auth.url")],
        {"auth": {"user": "ada", "token": SECRET_TEXT, "url": "http://x"}},
        id="in an object that is there",
    ),
    pytest.param({}, [secret("all", "json", format="Json")], {"all": {"deep": [1]}}, id="read as JSON"),
    pytest.param({}, [config_map("n", "number", format="Json")], {"n": 7}, id="a number read as JSON"),
    pytest.param({}, [config_map("n", "number")], {"n": "7"}, id="a number read as text"),
    pytest.param({"a": 1}, [secret("b", "missing", optional=True)], {"a": 1}, id="without an optional key"),
    pytest.param({"a": 1}, [secret("b", name="nobody", optional=True)], {"a": 1}, id="without an optional Secret"),
    pytest.param({"a": 1}, [secret("b", name="empty", optional=True)], {"a": 1}, id="without any data"),
]


@pytest.mark.parametrize(("parameters", "given", "expected"), MERGES)
async def test_values_are_put_where_they_belong(cluster, parameters, given, expected) -> None:
    assert reveal(await sources(cluster).merge_parameters(parameters, tuple(given))) == expected


async def test_only_what_comes_from_a_secret_is_a_secret(cluster) -> None:
    given = (secret("token"), secret("all", "json", format="Json"), config_map("n", "number"))
    merged = await sources(cluster).merge_parameters({"plain": 1}, given)
    assert str(merged) == "{'plain': 1, 'token': [redacted], 'all': {'deep': [[redacted]]}, 'n': '7'}"
    assert merged["token"].origin is not None
    assert merged["all"]["deep"][0].origin is None


async def test_the_action_s_own_parameters_stay_as_they_are(cluster) -> None:
    parameters = {"auth": {"user": "ada"}}
    await sources(cluster).merge_parameters(parameters, (secret("auth.token"),))

    assert parameters == {"auth": {"user": "ada"}}


FAILURES = [
    pytest.param([secret("a", "missing")], MissingSourceError, "has no key 'missing'", id="no such key"),
    pytest.param([secret("a", name="nobody")], MissingSourceError, "does not exist", id="no such Secret"),
    pytest.param([secret("a", "no-json", format="Json")], InvalidParametersError, "is not valid JSON", id="no JSON"),
    pytest.param([secret("a", "large", format="Json")], InvalidParametersError, "beyond 64 bits", id="a large integer"),
    pytest.param(
        [secret("a", "many", format="Json")], InvalidParametersError, "more than 10000 parts", id="many parts"
    ),
    pytest.param([secret("a", "binary")], InvalidParametersError, "is not UTF-8 text", id="no text"),
    pytest.param([secret("a", "no-base64")], InvalidParametersError, "is not UTF-8 text", id="no base64"),
    pytest.param([secret("a"), secret("a.b")], InvalidParametersError, "is not an object", id="reaches into a value"),
    pytest.param([ParametersSource(parameter="a")], InvalidParametersError, "names neither", id="no source"),
]


@pytest.mark.parametrize(("given", "error", "message"), FAILURES)
async def test_a_value_that_cannot_be_had_is_told_of_without_any_secret(cluster, given, error, message) -> None:
    with pytest.raises(error, match=message) as caught:
        await sources(cluster).merge_parameters({}, tuple(given))

    seen: BaseException | None = caught.value
    assert isinstance(seen, ActionError)
    assert SECRET_TEXT not in str(seen)
    shown = seen.__cause__ if seen.__suppress_context__ else seen.__context__
    assert SECRET_TEXT not in f"{shown!r} {vars(shown) if shown is not None else ''}", "a logged traceback tells it"


async def test_everything_is_read_with_the_rights_of_the_account(cluster) -> None:
    await sources(cluster).merge_parameters({}, (secret("a"), config_map("b")))

    assert cluster.users == ["system:serviceaccount:team-a:ada"] * 2


async def test_a_missing_right_names_the_account_and_the_mend(cluster) -> None:
    cluster.fail("get", ForbiddenError("no"))
    with pytest.raises(AccessDeniedError, match=r"'ada' may not read Secret 'login'.*RoleBinding.*get on secrets"):
        await sources(cluster).read_secret("login", "token")


async def test_closed_namespaces_are_never_read_not_even_by_a_provider(cluster) -> None:
    inside = sources(cluster, ServiceAccountRef(namespace="kube-system", name="ada"))
    with pytest.raises(AccessDeniedError):
        await inside.merge_parameters({}, (secret("a"),))
    with pytest.raises(AccessDeniedError):
        await sources(cluster, any_namespace=True).read_secret("login", "token", namespace="kube-system")

    assert cluster.calls == []


async def test_an_action_reads_its_own_namespace_only(cluster) -> None:
    assert await sources(cluster).read_secret("login", "token", namespace="team-a") == SECRET_TEXT
    with pytest.raises(AccessDeniedError, match="only a ClusterActionProvider may name another namespace"):
        await sources(cluster).read_secret("login", "token", namespace="team-b")

    assert cluster.users == ["system:serviceaccount:team-a:ada"]


async def test_a_provider_reads_another_namespace_as_the_account_of_the_same_name_there(cluster) -> None:
    assert await sources(cluster, any_namespace=True).read_secret("login", "token", namespace="team-b") == SECRET_TEXT
    assert cluster.users == ["system:serviceaccount:team-b:ada"]


@pytest.mark.parametrize("key", ["missing", "no-such-key"])
async def test_a_missing_secret_key_is_told(cluster, key) -> None:
    with pytest.raises(MissingSourceError, match=key):
        await sources(cluster).read_secret("login", key)


async def test_an_action_waits_for_an_api_server_that_does_not_give_its_secret(cluster: FakeCluster) -> None:
    async with MemoryOperator(cluster=cluster) as operator:
        cluster.fail("get", *[UnavailableError("away")] * 3, name="login")
        source = {"parameter": "output", "secretKeyRef": {"name": "login", "key": "token"}}
        await operator.create(*actions(["one"], "noop", parametersFrom=[source]))
        assert operator.action("one").status.error is None
        await operator.pass_time(5)
        status = operator.action("one").status
        assert (status.phase, status.attempt) == ("Succeeded", 1)


async def test_who_has_no_time_is_told_at_once_that_nobody_answers(cluster: FakeCluster) -> None:
    cluster.fail("get", UnavailableError("away"))
    with pytest.raises(UnavailableError):
        await sources(cluster).read_secret("login", "token")
