"""How templates travel: as they are, packed, or stored where the executor finds them."""

import base64
import random
import zlib
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.core.tasks_pb2 import TaskTemplate

from support.flyte_tasks import container_task, parameters
from taskaction.core.constants import ORIGIN_ANNOTATION
from taskaction.core.errors import ConfigurationError
from taskaction.integrations.flyte.executor.model import FlyteParameters
from taskaction.integrations.flyte.service.action_cache import ActionCache
from taskaction.integrations.flyte.service.manifests import is_same_request
from taskaction.integrations.flyte.service.templates import LIMIT_BYTES, Templates
from taskaction.testing.clock import FakeClock

CLOCK = FakeClock()
TODAY = CLOCK.now().date().isoformat()


def noise(size: int) -> TaskTemplate:
    """Give a template that no packing makes smaller."""
    return container_task(args=[random.Random(1).randbytes(size).hex()])


def content(task: TaskTemplate) -> bytes:
    return task.SerializeToString(deterministic=True)


async def test_a_short_one_goes_as_it_is() -> None:
    found = await Templates(None, 1, CLOCK).parameters(container_task(), "flyte")

    assert found == {"template": base64.b64encode(content(container_task())).decode(), "encoding": "base64"}


async def test_a_long_one_is_packed() -> None:
    task = container_task(args=["x" * 500_000])

    found = await Templates(None, 1, CLOCK).parameters(task, "flyte")

    assert found["encoding"] == "zlib"
    assert len(found["template"]) < 2000
    assert zlib.decompress(base64.b64decode(found["template"])) == content(task)


async def test_one_that_is_too_large_is_refused_with_the_mend() -> None:
    with pytest.raises(ConnectError, match="set TASKACTION_ACTIONS_TEMPLATES") as refused:
        await Templates(None, 1, CLOCK).parameters(noise(LIMIT_BYTES), "flyte")
    assert refused.value.code == Code.INVALID_ARGUMENT


async def test_or_stored_under_its_own_fingerprint(tmp_path: Path) -> None:
    store = Templates(f"file://{tmp_path}/templates/", 5, CLOCK)

    found = await store.parameters(noise(LIMIT_BYTES), "flyte")

    assert await store.parameters(noise(LIMIT_BYTES), "flyte") == found
    (file,) = (tmp_path / "templates" / "flyte" / TODAY).iterdir()
    assert found["templateUri"] == f"file://{file}"
    assert found["templateDigest"] == sha256(file.read_bytes()).hexdigest() == file.name
    assert zlib.decompress(file.read_bytes()) == content(noise(LIMIT_BYTES))
    assert FlyteParameters.model_validate(parameters(template=None, **found))


async def test_where_it_cannot_be_stored_clients_try_again(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ConnectError, match="cannot be stored: ") as refused:
        await Templates(f"file://{tmp_path}/file/", 5, CLOCK).parameters(noise(LIMIT_BYTES), "flyte")
    assert refused.value.code == Code.UNAVAILABLE


async def test_a_storage_that_nothing_is_installed_for_is_told_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "obstore.fsspec", None)

    with pytest.raises(
        ConfigurationError, match=r"s3 requires the package obstore: install taskaction-operator\[actions\]"
    ):
        Templates("s3://bucket/templates/", 1, CLOCK)


@pytest.mark.parametrize(("digest", "same"), [("ab", True), ("cd", False)])
async def test_an_action_that_is_enqueued_again_on_another_day_asks_for_the_same(digest: str, same: bool) -> None:
    def body(day: str, digest: str) -> dict[str, Any]:
        uri = f"s3://templates/flyte/{day}/{digest}"
        metadata = {"annotations": {ORIGIN_ANNOTATION: "/a0"}}
        return {
            "metadata": metadata,
            "spec": {"executor": "flyte", "parameters": {"templateUri": uri, "templateDigest": digest}},
        }

    assert is_same_request(body("2026-01-02", digest), body("2026-01-01", "ab")) is same


async def test_what_an_action_has_elsewhere_is_known_until_it_is_gone() -> None:
    mirror, parameters = ActionCache(), {"templateUri": "s3://templates/flyte/2026-01-01/ab"}
    metadata = {"namespace": "flyte", "name": "a", "uid": "u", "resourceVersion": "1"}
    mirror.store_object({"metadata": metadata, "spec": {"executor": "flyte", "parameters": parameters}})
    assert mirror.template_uris() == {"s3://templates/flyte/2026-01-01/ab"}
    mirror.remove("u")
    assert mirror.template_uris() == frozenset()
