"""Reading of outputs that did not fit into their objects: the one way, for everybody who needs such an output.

A status is data, and whoever may write it can name any file. So nothing of an address is believed: the file must be the
one that the operator writes for this very object, and its content must have the SHA-256 that its name and the status
give. The credentials are those of the process that reads.
"""

import re
from dataclasses import dataclass
from typing import Any

import orjson

from taskaction.cluster.gateway import ACTION_FLOW_RUNS, TASK_ACTIONS, Body
from taskaction.core.constants import FLOW_STORED_LIMIT_BYTES
from taskaction.core.errors import TaskActionError
from taskaction.plugin.json_schema import nesting_problem
from taskaction.plugin.storage import STORAGE_SETTING, ProjectStorage, StorageError, fingerprint, object_folder

ALGORITHM = "sha256:"
"""Prefix of `status.outputDigest`."""
_NAMES = {
    TASK_ACTIONS.kind: re.compile(r"[0-9]{1,10}-(?P<digest>[0-9a-f]{64})\.json", re.ASCII),
    ACTION_FLOW_RUNS.kind: re.compile(r"(?P<digest>[0-9a-f]{64})\.json", re.ASCII),
}
"""Names of the files with outputs, by the kind of their object: of an action with the number of the attempt."""


def is_output_file(name: str) -> bool:
    """Whether a file in the folder of an object has a name that the operator gives, to an output or a state."""
    return any(names.fullmatch(name) for names in _NAMES.values())


class OutputLostError(TaskActionError):
    """The file that a status names is missing, changed, or cannot be that of its object; no retry can help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredOutput:
    """Claim of a status that the output of its object is a file.

    Attributes:
        kind: kind of the object, with ``namespace`` and ``uid`` as the API server gives them.
        uri: the file, as the status names it.
        digest: digest of the content, as the status gives it; None for a run, of whose file it is the name.
        size: size in bytes, if the status gives it.
    """

    kind: str
    namespace: str
    uid: str
    uri: str
    digest: str | None = None
    size: int | None = None

    @property
    def folder(self) -> str:
        """The folder of the project's storage that the file is in, as far as the status says; empty if invalid."""
        suffix = object_folder("", self.namespace, self.uid)
        folder, found, name = self.uri.rpartition(f"/{suffix}")
        return f"{folder}/" if found and _NAMES[self.kind].fullmatch(name) else ""


def find_stored_output(kind: str, body: Body) -> StoredOutput | None:
    """Return where the output of an object is; None if it is in the status, or elsewhere than in the storage.

    ``outputUri`` of an action without a digest is a place of its executor's, such as the folder of a Flyte task.
    """
    metadata, status = body["metadata"], body.get("status") or {}
    uri, digest = status.get("outputUri"), status.get("outputDigest")
    if uri is None or (kind == TASK_ACTIONS.kind and digest is None):
        return None
    return StoredOutput(
        kind=kind,
        namespace=metadata["namespace"],
        uid=metadata["uid"],
        uri=uri,
        digest=digest,
        size=status.get("outputSize"),
    )


class StoredOutputs:
    """Reader of stored outputs."""

    def __init__(self, storage: ProjectStorage) -> None:
        self._storage = storage

    async def read(self, claim: StoredOutput) -> Any:
        """Return an output.

        Raises:
            StorageError: the storage does not respond, refuses, or is not the configured one; a retry can help.
            OutputLostError: the file is missing, changed, or cannot be that of the object.
        """
        folder = claim.folder
        if not folder:
            raise OutputLostError(f"status.outputUri: {claim.uri} is not the address of a file of this object")
        if folder != self._storage.folder:
            raise StorageError(f"status.outputUri: {claim.uri} is elsewhere; set {STORAGE_SETTING} to {folder}")
        content = await self._storage.read(claim.uri, FLOW_STORED_LIMIT_BYTES)
        if content is None:
            raise OutputLostError(f"status.outputUri: {claim.uri} not found")
        return _parse(claim, content)


def _parse(claim: StoredOutput, content: bytes) -> Any:
    """Return the output that a file contains; raise ``OutputLostError`` if it is not what the operator wrote."""
    found = fingerprint(content)
    named = _NAMES[claim.kind].fullmatch(claim.uri.rpartition("/")[2])
    if named is None or named["digest"] != found:
        raise OutputLostError(f"status.outputUri: the content of {claim.uri} was changed")
    if claim.digest is not None and claim.digest != f"{ALGORITHM}{found}":
        raise OutputLostError(f"status.outputDigest: is not that of {claim.uri}")
    try:
        output = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise OutputLostError(f"status.outputUri: {claim.uri} is not valid JSON: {error}") from None
    if (problem := nesting_problem(output, f"status.outputUri: {claim.uri}")) is not None:
        raise OutputLostError(problem)
    return output
