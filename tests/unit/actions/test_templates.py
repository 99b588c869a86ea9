"""How templates travel: as they are, packed, or stored where the executor finds them."""

import base64
import random
import zlib
from hashlib import sha256
from pathlib import Path

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.core.tasks_pb2 import TaskTemplate

from support.flyte_tasks import container_task, parameters
from taskaction.actions.templates import LIMIT_BYTES, Templates
from taskaction.core.errors import ConfigurationError
from taskaction.executors.flyte.model import FlyteParameters


def noise(size: int) -> TaskTemplate:
    """Give a template that no packing makes smaller."""
    return container_task(args=[random.Random(1).randbytes(size).hex()])


def content(task: TaskTemplate) -> bytes:
    return task.SerializeToString(deterministic=True)


async def test_a_short_one_goes_as_it_is() -> None:
    found = await Templates(None, 1).parameters(container_task())

    assert found == {"template": base64.b64encode(content(container_task())).decode(), "encoding": "base64"}


async def test_a_long_one_is_packed() -> None:
    task = container_task(args=["x" * 500_000])

    found = await Templates(None, 1).parameters(task)

    assert found["encoding"] == "zlib"
    assert len(found["template"]) < 2000
    assert zlib.decompress(base64.b64decode(found["template"])) == content(task)


async def test_one_that_is_too_large_is_refused_with_the_mend() -> None:
    with pytest.raises(ConnectError, match="set TASKACTION_ACTIONS_TEMPLATES") as refused:
        await Templates(None, 1).parameters(noise(LIMIT_BYTES))
    assert refused.value.code == Code.INVALID_ARGUMENT


async def test_or_stored_under_its_own_fingerprint(tmp_path: Path) -> None:
    store = Templates(f"file://{tmp_path}/templates/", 5)

    found = await store.parameters(noise(LIMIT_BYTES))

    assert await store.parameters(noise(LIMIT_BYTES)) == found
    (file,) = (tmp_path / "templates").iterdir()
    assert found["templateUri"] == f"file://{file}"
    assert found["templateDigest"] == sha256(file.read_bytes()).hexdigest() == file.name
    assert zlib.decompress(file.read_bytes()) == content(noise(LIMIT_BYTES))
    assert FlyteParameters.model_validate(parameters(template=None, **found))


async def test_where_it_cannot_be_stored_clients_try_again(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ConnectError, match="cannot be stored now") as refused:
        await Templates(f"file://{tmp_path}/file/", 5).parameters(noise(LIMIT_BYTES))
    assert refused.value.code == Code.UNAVAILABLE


async def test_a_storage_that_nothing_is_installed_for_is_told_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "obstore.fsspec", None)

    with pytest.raises(
        ConfigurationError, match=r"s3 needs the package obstore: install taskaction-operator\[actions\]"
    ):
        Templates("s3://bucket/templates/", 1)
