"""Puts the CRDs of this version into a real cluster, for tests on it; a cluster that has them keeps its own."""

import asyncio
from pathlib import Path

from taskaction.cluster.errors import AlreadyExistsError
from taskaction.cluster.gateway import Resource
from taskaction.core.clock import SystemClock
from taskaction.core.constants import API_VERSION
from taskaction.crdgen.manifest import KINDS, crd_manifest
from taskaction.runtime.api_session import open_api_session

CRDS = Resource(
    group="apiextensions.k8s.io",
    version="v1",
    plural="customresourcedefinitions",
    kind="CustomResourceDefinition",
    namespaced=False,
)
_SERVED_SECONDS = 30.0
_LOOK_SECONDS = 0.1


async def install(kubeconfig: Path) -> None:
    """Create the CRDs, and return when the API server serves them."""
    async with open_api_session(SystemClock(), kubeconfig=kubeconfig) as api, asyncio.timeout(_SERVED_SECONDS):
        cluster = api.cluster
        for kind in KINDS:
            try:
                await cluster.create(CRDS, crd_manifest(kind))
            except AlreadyExistsError:
                continue
        wanted = {kind.plural for kind in KINDS}
        while wanted - {one.plural for one in await cluster.kinds(API_VERSION)}:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(_LOOK_SECONDS)
