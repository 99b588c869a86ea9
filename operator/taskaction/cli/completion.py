"""What a shell offers for a half-written name, read from the cluster; never fails, and never takes long."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import typer
import yaml

from taskaction.cli.objects import KINDS, kind_named, phase_of
from taskaction.cli.session import Connect, Flags, Session, connected, kubeconfig_of
from taskaction.cluster.gateway import (
    ACTION_FLOWS,
    ACTION_PROVIDERS,
    CLUSTER_ACTION_PROVIDERS,
    NAMESPACES,
    TASK_ACTIONS,
    Body,
    Resource,
)
from taskaction.core.errors import TaskActionError

Names = list[str | tuple[str, str]]
"""What is offered: words, or words with what is said of them."""
PATIENCE_SECONDS = 3.0
_AT_MOST = 500
_EXECUTORS = "taskaction.executors"


def runs(ctx: typer.Context, incomplete: str) -> Names:
    """Offer actions by their names, and what ``KIND/`` has where that is written."""
    word, slash, _ = incomplete.rpartition("/")
    kind = kind_named(word) if slash else TASK_ACTIONS
    return _names(ctx, incomplete, kind, f"{word}/" if slash else "") if kind in KINDS else []


def actions(ctx: typer.Context, incomplete: str) -> Names:
    """Offer actions."""
    return _names(ctx, incomplete, TASK_ACTIONS)


def flows(ctx: typer.Context, incomplete: str) -> Names:
    """Offer flows."""
    return _names(ctx, incomplete, ACTION_FLOWS)


def providers(ctx: typer.Context, incomplete: str) -> Names:
    """Offer what the namespace has."""
    return _names(ctx, incomplete, ACTION_PROVIDERS)


def cluster_providers(ctx: typer.Context, incomplete: str) -> Names:
    """Offer what the cluster has."""
    return _names(ctx, incomplete, CLUSTER_ACTION_PROVIDERS)


def namespaces(ctx: typer.Context, incomplete: str) -> Names:
    """Offer namespaces."""
    return _names(ctx, incomplete, NAMESPACES)


def contexts(ctx: typer.Context, incomplete: str) -> Names:
    """Offer what the kubeconfig has."""
    try:
        file = kubeconfig_of(_flags(ctx))
        found = yaml.safe_load(file.read_text()) if file is not None else {}
        return [one["name"] for one in found["contexts"] if one["name"].startswith(incomplete)]
    except (TaskActionError, OSError, yaml.YAMLError, KeyError, TypeError):
        return []


def executors(incomplete: str) -> Names:
    """Offer the executors that this installation knows; the operator may have more."""
    return sorted(one.name for one in entry_points(group=_EXECUTORS) if one.name.startswith(incomplete))


def _names(ctx: typer.Context, incomplete: str, kind: Resource, before: str = "") -> Names:
    async def read(session: Session) -> Names:
        found: Names = []
        written = set(_written(ctx))
        where = session.namespace if kind.namespaced else ""
        async for body in _some(session.cluster.list(kind, where)):
            name = before + body["metadata"]["name"]
            if name.startswith(incomplete) and name not in written:
                found.append((name, phase_of(body)) if kind in KINDS else name)
        return found

    try:
        return asyncio.run(_within(ctx.obj or connected, _flags(ctx), read))
    except (TaskActionError, OSError):
        return []


async def _within(connect: Connect, flags: Flags, read: Callable[[Session], Coroutine[Any, Any, Names]]) -> Names:
    async with asyncio.timeout(PATIENCE_SECONDS), connect(flags) as session:
        return await read(session)


async def _some(bodies: AsyncIterator[Body]) -> AsyncIterator[Body]:
    left = _AT_MOST
    async for body in bodies:
        yield body
        left -= 1
        if not left:
            return


def _written(ctx: typer.Context) -> Sequence[str]:
    return ctx.params.get("names") or ()


def _flags(ctx: typer.Context) -> Flags:
    file = ctx.params.get("kubeconfig")
    return Flags(ctx.params.get("namespace"), ctx.params.get("context"), Path(file) if file else None)
