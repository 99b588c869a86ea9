"""Commands that run a server until a signal stops them; each one loads only what its server needs."""

import os
import sys
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from taskaction.core.errors import ConfigurationError

if TYPE_CHECKING:
    import asyncio

    from taskaction.plugin.settings import Settings
    from taskaction.runtime.config import OperatorConfig

OwnT = TypeVar("OwnT", bound="Settings")

_OF_OTHERS = (
    "TASKACTION_WEBHOOKS_",
    "TASKACTION_ACTIONS_",
    "TASKACTION_PORT_AGENT_",
    "TASKACTION_HISTORY_SERVE_",
    "TASKACTION_CONSOLE_",
    "TASKACTION_HTTP_",
    "TASKACTION_FLYTE_",
    "TASKACTION_NODE",
)
"""Beginnings of variables for other processes and executors, and of a tool: they are no misspelt settings."""


def run_operator() -> None:
    """Run one replica of the operator; settings come from TASKACTION_* in the environment."""
    from taskaction.app.operator import Operator, tune_process
    from taskaction.plugin.registry import Registry
    from taskaction.plugin.settings import SettingsReader
    from taskaction.runtime.config import OperatorConfig
    from taskaction.runtime.logs import log_settings
    from taskaction.runtime.process import run_until_signalled

    settings = SettingsReader(os.environ).check(OperatorConfig, *Registry.find_settings().values(), others=_OF_OTHERS)
    config = OperatorConfig.from_environment(os.environ)
    tune_process(config)
    log_settings(settings)
    run_until_signalled(Operator(config).run)


def run_port_agent() -> None:
    """Run one agent that claims runs from Port; settings come from TASKACTION_PORT_AGENT_* in the environment."""
    from taskaction.integrations.port.agent.agent import run_port_agent
    from taskaction.integrations.port.agent.settings import PortAgentConfig
    from taskaction.plugin.settings import SettingsReader
    from taskaction.runtime.logs import log_settings
    from taskaction.runtime.process import run_until_signalled, tune_process

    settings = SettingsReader(os.environ).check(PortAgentConfig, others=_OF_OTHERS)
    config = PortAgentConfig.from_environment(os.environ)
    tune_process(config)
    log_settings(settings)
    run_until_signalled(lambda stop: run_port_agent(config, stop))


def serve_webhooks() -> None:
    """Run one replica of the webhook inbox; settings come from TASKACTION_* in the environment."""
    from taskaction.plugin.registry import Registry
    from taskaction.services.webhooks.service import run_inbox
    from taskaction.services.webhooks.settings import WebhooksConfig

    _serve(WebhooksConfig, run_inbox, executors=Registry.find_settings().values())


def serve_actions() -> None:
    """Run one replica of Flyte's Actions service; settings come from TASKACTION_* in the environment."""
    with _needs_extra("actions"):
        from taskaction.integrations.flyte.service.service import run_actions_service
        from taskaction.integrations.flyte.service.settings import ActionsConfig
    _serve(ActionsConfig, run_actions_service)


def serve_history() -> None:
    """Run one replica of the history service; settings come from TASKACTION_* in the environment."""
    with _needs_extra("history"):
        from taskaction.services.history.service import run_history_service
        from taskaction.services.history.settings import HistoryServeConfig
    _serve(HistoryServeConfig, run_history_service)


def serve_console() -> None:
    """Run one replica of the web console; settings come from TASKACTION_* in the environment."""
    with _needs_extra("console"):
        from taskaction.services.console.service import run_console
        from taskaction.services.console.settings import ConsoleConfig
    _serve(ConsoleConfig, run_console)


@contextmanager
def _needs_extra(name: str) -> Iterator[None]:
    """Say of a package that is missing which extra of the distribution brings it."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"{error}: install the extra `{name}` of taskaction-operator") from error


def _serve(
    own_type: "type[OwnT]",
    run: "Callable[[OperatorConfig, OwnT, asyncio.Event], Coroutine[Any, Any, None]]",
    *,
    executors: "Iterable[type[Settings]]" = (),
) -> None:
    """Run a service with the settings of every process and its own, until a signal stops it."""
    from taskaction.plugin.settings import SettingsReader
    from taskaction.runtime.config import OperatorConfig
    from taskaction.runtime.logs import log_settings
    from taskaction.runtime.process import run_until_signalled, tune_process

    settings = SettingsReader(os.environ).check(OperatorConfig, own_type, *executors, others=_OF_OTHERS)
    config = OperatorConfig.from_environment(os.environ)
    own = own_type.from_environment(os.environ)
    tune_process(config)
    log_settings(settings)
    run_until_signalled(lambda stop: run(config, own, stop))


SERVERS: Mapping[tuple[str, ...], Callable[[], None]] = {
    ("operator", "run"): run_operator,
    ("port-agent", "run"): run_port_agent,
    ("webhooks", "serve"): serve_webhooks,
    ("actions", "serve"): serve_actions,
    ("history", "serve"): serve_history,
    ("console", "serve"): serve_console,
}
"""Servers by the words of their commands."""


def load_structlog() -> None:
    """Import structlog without rich, which it loads for tracebacks that no server shows: 90 ms and 5 MB."""
    if "structlog" in sys.modules or "rich" in sys.modules:
        return
    sys.modules["rich"] = None  # type: ignore[assignment]  # Python treats a None entry as a missing module
    import structlog  # noqa: F401

    del sys.modules["rich"]  # a plug-in may need it
