"""Wiring of the history; its libraries are an extra, and loaded only if there is a history."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from taskaction.app.history_keeper import HistoryKeeper
from taskaction.app.observer import OperatorRecorder
from taskaction.cluster.gateway import Cluster
from taskaction.control.objects.background import Background
from taskaction.control.objects.history import History, NoHistory
from taskaction.control.objects.objects import RetryingCall
from taskaction.control.sharding.tenures import ShardTenures
from taskaction.core.clock import Clock
from taskaction.core.errors import ConfigurationError
from taskaction.runtime.config import OperatorConfig

if TYPE_CHECKING:
    from taskaction.history.addresses import DatabaseUrl


def build_history(
    config: OperatorConfig,
    cluster: Cluster,
    clock: Clock,
    journal: OperatorRecorder,
    jitter: Callable[[], float],
    background: Background,
    persistently: RetryingCall,
    tenures: ShardTenures,
) -> History:
    """Return the history that the settings name; raise ``ConfigurationError`` if it cannot be used."""
    if config.history is None:
        return NoHistory()
    url = database_url(config)
    from taskaction.history.store import HistoryStore

    keeper = HistoryKeeper(
        database=HistoryStore.open(url),
        cluster=cluster,
        clock=clock,
        jitter=jitter,
        background=background,
        persistently=persistently,
        tenures=tenures,
        recorder=journal,
        hold=config.history_hold if config.history_away == "Delete" else None,
    )
    journal.metrics.history_waiting.set_function(lambda: keeper.waiting)
    journal.metrics.history_away.set_function(lambda: keeper.away_seconds)
    return keeper


def database_url(config: OperatorConfig) -> "DatabaseUrl":
    """Return the URL of the database; raise ``ConfigurationError`` if there is none, or it cannot be used."""
    if config.history is None:
        raise ConfigurationError("TASKACTION_HISTORY: required, but not set; use e.g. postgresql://user@host/database")
    try:
        from taskaction.history.addresses import parse_address
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"TASKACTION_HISTORY: {error}; install the extra `history` of taskaction-operator"
        ) from error
    password = config.history_password.get_secret_value() if config.history_password is not None else None
    try:
        return parse_address(config.history.get_secret_value(), password)
    except ValueError as error:
        raise ConfigurationError(f"TASKACTION_HISTORY: {error}") from None
