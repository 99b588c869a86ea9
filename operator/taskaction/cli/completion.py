"""Shell completion of names, read from the cluster; it never fails, and has a short timeout."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import typer
import yaml

from taskaction.api.bodies import phase_of
from taskaction.cli.objects import KINDS, find_kind
from taskaction.cli.session import Connect, Flags, Session, connect_to_cluster, kubeconfig_of
from taskaction.cluster.gateway import (
    ACTION_FLOWS,
    ACTION_PROVIDERS,
    ACTION_SCHEDULES,
    CLUSTER_ACTION_PROVIDERS,
    NAMESPACES,
    TASK_ACTIONS,
    Body,
    Resource,
)
from taskaction.core.errors import TaskActionError

Names = list[str | tuple[str, str]]
"""Candidates: words, or words with a description."""
PATIENCE_SECONDS = 3.0
_AT_MOST = 500
_EXECUTORS = "taskaction.executors"


def runs(ctx: typer.Context, incomplete: str) -> Names:
    """Complete names of actions, and of the objects of ``KIND/`` after such a prefix."""
    word, slash, _ = incomplete.rpartition("/")
    kind = find_kind(word) if slash else TASK_ACTIONS
    return _names(ctx, incomplete, kind, f"{word}/" if slash else "") if kind in KINDS else []


def actions(ctx: typer.Context, incomplete: str) -> Names:
    """Complete names of actions."""
    return _names(ctx, incomplete, TASK_ACTIONS)


def flows(ctx: typer.Context, incomplete: str) -> Names:
    """Complete names of flows."""
    return _names(ctx, incomplete, ACTION_FLOWS)


def schedules(ctx: typer.Context, incomplete: str) -> Names:
    """Complete names of schedules."""
    return _names(ctx, incomplete, ACTION_SCHEDULES)


def providers(ctx: typer.Context, incomplete: str) -> Names:
    """Complete names of ActionProviders in the namespace."""
    return _names(ctx, incomplete, ACTION_PROVIDERS)


def cluster_providers(ctx: typer.Context, incomplete: str) -> Names:
    """Complete names of ClusterActionProviders."""
    return _names(ctx, incomplete, CLUSTER_ACTION_PROVIDERS)


def namespaces(ctx: typer.Context, incomplete: str) -> Names:
    """Complete namespaces."""
    return _names(ctx, incomplete, NAMESPACES)


def contexts(ctx: typer.Context, incomplete: str) -> Names:
    """Complete contexts of the kubeconfig."""
    try:
        file = kubeconfig_of(_flags(ctx))
        found = yaml.safe_load(file.read_text()) if file is not None else {}
        return [one["name"] for one in found["contexts"] if one["name"].startswith(incomplete)]
    except (TaskActionError, OSError, yaml.YAMLError, KeyError, TypeError):
        return []


def executors(incomplete: str) -> Names:
    """Complete executors of this installation; the operator may have more."""
    return sorted(one.name for one in entry_points(group=_EXECUTORS) if one.name.startswith(incomplete))


def _names(ctx: typer.Context, incomplete: str, kind: Resource, before: str = "") -> Names:
    async def read(session: Session) -> Names:
        found: Names = []
        written = set(_written_names(ctx))
        where = session.namespace if kind.namespaced else ""
        async for body in _first_bodies(session.cluster.list(kind, where)):
            name = before + body["metadata"]["name"]
            if name.startswith(incomplete) and name not in written:
                found.append((name, phase_of(body)) if kind in KINDS else name)
        return found

    try:
        return asyncio.run(_read_in_time(ctx.obj or connect_to_cluster, _flags(ctx), read))
    except (TaskActionError, OSError):
        return []


async def _read_in_time(connect: Connect, flags: Flags, read: Callable[[Session], Coroutine[Any, Any, Names]]) -> Names:
    async with asyncio.timeout(PATIENCE_SECONDS), connect(flags) as session:
        return await read(session)


async def _first_bodies(bodies: AsyncIterator[Body]) -> AsyncIterator[Body]:
    left = _AT_MOST
    async for body in bodies:
        yield body
        left -= 1
        if not left:
            return


def _written_names(ctx: typer.Context) -> Sequence[str]:
    return ctx.params.get("names") or ()


def _flags(ctx: typer.Context) -> Flags:
    file = ctx.params.get("kubeconfig")
    return Flags(ctx.params.get("namespace"), ctx.params.get("context"), Path(file) if file else None)
