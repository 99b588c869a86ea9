"""Commands that run a server until a signal stops them; each one loads only what its server needs."""

import os
import sys
from collections.abc import Callable, Mapping

from taskaction.core.errors import ConfigurationError

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
    from taskaction.plugin.settings import SettingsReader
    from taskaction.runtime.config import OperatorConfig
    from taskaction.runtime.logs import log_settings
    from taskaction.runtime.process import run_until_signalled, tune_process
    from taskaction.services.webhooks.service import run_inbox
    from taskaction.services.webhooks.settings import WebhooksConfig

    executors = Registry.find_settings().values()
    settings = SettingsReader(os.environ).check(OperatorConfig, WebhooksConfig, *executors, others=_OF_OTHERS)
    config = OperatorConfig.from_environment(os.environ)
    own = WebhooksConfig.from_environment(os.environ)
    tune_process(config)
    log_settings(settings)
    run_until_signalled(lambda stop: run_inbox(config, own, stop))


def serve_actions() -> None:
    """Run one replica of Flyte's Actions service; settings come from TASKACTION_* in the environment."""
    from taskaction.plugin.settings import SettingsReader
    from taskaction.runtime.config import OperatorConfig
    from taskaction.runtime.logs import log_settings
    from taskaction.runtime.process import run_until_signalled, tune_process

    try:
        from taskaction.integrations.flyte.service.service import run_actions_service
        from taskaction.integrations.flyte.service.settings import ActionsConfig
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"{error}: install the extra `actions` of taskaction-operator") from error
    settings = SettingsReader(os.environ).check(OperatorConfig, ActionsConfig, others=_OF_OTHERS)
    config = OperatorConfig.from_environment(os.environ)
    own = ActionsConfig.from_environment(os.environ)
    tune_process(config)
    log_settings(settings)
    run_until_signalled(lambda stop: run_actions_service(config, own, stop))


def serve_history() -> None:
    """Run one replica of the history service; settings come from TASKACTION_* in the environment."""
    from taskaction.plugin.settings import SettingsReader
    from taskaction.runtime.config import OperatorConfig
    from taskaction.runtime.logs import log_settings
    from taskaction.runtime.process import run_until_signalled, tune_process

    try:
        from taskaction.services.history.service import run_history_service
        from taskaction.services.history.settings import HistoryServeConfig
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"{error}: install the extra `history` of taskaction-operator") from error
    settings = SettingsReader(os.environ).check(OperatorConfig, HistoryServeConfig, others=_OF_OTHERS)
    config = OperatorConfig.from_environment(os.environ)
    own = HistoryServeConfig.from_environment(os.environ)
    tune_process(config)
    log_settings(settings)
    run_until_signalled(lambda stop: run_history_service(config, own, stop))


def serve_console() -> None:
    """Run one replica of the web console; settings come from TASKACTION_* in the environment."""
    from taskaction.plugin.settings import SettingsReader
    from taskaction.runtime.config import OperatorConfig
    from taskaction.runtime.logs import log_settings
    from taskaction.runtime.process import run_until_signalled, tune_process

    try:
        from taskaction.services.console.service import run_console
        from taskaction.services.console.settings import ConsoleConfig
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"{error}: install the extra `console` of taskaction-operator") from error
    settings = SettingsReader(os.environ).check(OperatorConfig, ConsoleConfig, others=_OF_OTHERS)
    config = OperatorConfig.from_environment(os.environ)
    own = ConsoleConfig.from_environment(os.environ)
    tune_process(config)
    log_settings(settings)
    run_until_signalled(lambda stop: run_console(config, own, stop))


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
