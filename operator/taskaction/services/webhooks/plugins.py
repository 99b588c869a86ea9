"""Webhooks of executors: their paths, and which actions they match to a request; stores nothing."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from taskaction.plugin.base import AbstractExecutor, Correlation, WebhookRequest
from taskaction.plugin.errors import WebhookRefusedError
from taskaction.services.webhooks.envelopes import Meant

PATIENCE_SECONDS = 10.0


class AdmissionFailedError(Exception):
    """An executor failed to evaluate a request; the sender may retry."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """Action that an executor matched to a request."""

    executor: str
    correlation: Correlation


def matches_of(admitted: Iterable[Admitted]) -> list[tuple[Meant, list[str]]]:
    """Return what names each matched action in an event, with the executors that matched it."""
    found: dict[tuple[object, ...], tuple[Meant, list[str]]] = {}
    for one in admitted:
        uid, names = one.correlation.uid, one.correlation.executors or (one.executor,)
        scope = {"executor": names[0]} if len(names) == 1 else {"executors": list(names)}
        meant: Meant = (
            {"target": {"uid": uid}}
            if uid is not None
            else {"correlationKey": one.correlation.external_id, "scope": scope}
        )
        _, matching = found.setdefault((uid, one.correlation.external_id, names if uid is None else ()), (meant, []))
        if one.executor not in matching:
            matching.append(one.executor)
    return list(found.values())


class Plugins:
    """Executors by their ``WEBHOOK_PATH``; several may share one, as those of an Ocean integration do."""

    def __init__(self, executors: Iterable[AbstractExecutor], failed: Callable[[str, BaseException], None]) -> None:
        self._failed = failed
        self._listeners: dict[str, list[AbstractExecutor]] = {}
        for executor in executors:
            if executor.WEBHOOK_PATH:
                self._listeners.setdefault("/" + executor.WEBHOOK_PATH.strip("/"), []).append(executor)

    def has_listener(self, path: str) -> bool:
        """Whether an executor listens at ``path``."""
        return path in self._listeners

    async def admit(self, request: WebhookRequest) -> tuple[Admitted, ...]:
        """Return what all listeners match to the request; one that matches is enough.

        Raises:
            WebhookRefusedError: all listeners refuse; this is the first refusal.
            AdmissionFailedError: a listener failed, and none matches an action.
        """
        refusals: list[WebhookRefusedError] = []
        admitted: list[Admitted] = []
        failures: list[str] = []
        accepted = False
        for executor in self._listeners[request.path]:
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    found = await executor.admit(request)
            except WebhookRefusedError as error:
                refusals.append(error)
            except Exception as error:  # noqa: BLE001 - a plug-in may raise anything
                self._failed(f"webhook of executor {executor.ACTION_NAME}", error)
                failures.append(executor.ACTION_NAME)
            else:
                accepted = True
                admitted += [Admitted(executor.ACTION_NAME, correlation) for correlation in found]
        if failures and not admitted:
            raise AdmissionFailedError(f"executor {failures[0]} failed to evaluate the request; retry later")
        if not accepted:
            raise refusals[0]
        return tuple(admitted)
