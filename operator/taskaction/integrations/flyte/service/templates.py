"""How a task template travels: within the action, packed where it is long, stored elsewhere where it is too long."""

import asyncio
import base64
import zlib
from collections.abc import Mapping

from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.core.tasks_pb2 import TaskTemplate

from taskaction.core.clock import Clock
from taskaction.integrations.flyte.service.template_sweeper import day_of
from taskaction.plugin.storage import Storage, StorageError, fingerprint

LIMIT_BYTES = 256 * 1024
"""How much of an object a template may take, packed; etcd refuses objects of about 1.5 MiB."""
_PLAIN_BYTES = 4 * 1024


class Templates:
    """Turns templates into the parameters by which the ``flyte`` executor finds them again; equal ones into equal."""

    def __init__(self, folder: str | None, patience: float, clock: Clock) -> None:
        """``folder`` is where huge ones are stored, ``patience`` how many seconds that may take.

        Raises:
            ConfigurationError: a package for that kind of storage is missing.
        """
        self._folder = folder
        self._patience = patience
        self._clock = clock
        self.storage = Storage(() if folder is None else (folder,))

    def folder_of(self, namespace: str) -> str | None:
        """Return where the huge ones of a namespace are; None where they are refused."""
        return None if self._folder is None else f"{self._folder}{namespace}/"

    async def parameters(self, template: TaskTemplate, namespace: str) -> Mapping[str, str]:
        """Return the parameters; raises ``ConnectError`` where a template is too large, or cannot be stored."""
        content = template.SerializeToString(deterministic=True)
        encoding = "base64"
        if len(content) > _PLAIN_BYTES:
            content, encoding = zlib.compress(content), "zlib"
        text = base64.b64encode(content).decode()
        if len(text) <= LIMIT_BYTES:
            return {"template": text, "encoding": encoding}
        folder = self.folder_of(namespace)
        if folder is None:
            raise ConnectError(
                Code.INVALID_ARGUMENT,
                f"task_template: {len(text)} compressed bytes exceed the limit of {LIMIT_BYTES}: move large "
                "values out of the template into inputs or storage, or set TASKACTION_ACTIONS_TEMPLATES",
            )
        return {"encoding": encoding, **await self._store(content, folder)}

    async def _store(self, content: bytes, folder: str) -> Mapping[str, str]:
        digest = fingerprint(content)
        address = f"{folder}{day_of(self._clock)}/{digest}"
        try:
            async with asyncio.timeout(self._patience):
                await self.storage.write(address, content)
        except (StorageError, TimeoutError) as error:
            raise ConnectError(
                Code.UNAVAILABLE, f"task_template: cannot be stored: {str(error) or 'the storage timed out'}; retry"
            ) from error
        return {"templateUri": address, "templateDigest": digest}
