"""The command line: reads arguments, hands over to the application, turns errors into one sentence."""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence

import uvloop

from taskaction import __version__
from taskaction.app import released, run_until_signalled, tune_process
from taskaction.config import OperatorConfig
from taskaction.core.durations import parse_duration
from taskaction.core.errors import ConfigurationError, TaskActionError
from taskaction.flow_files import read_definition
from taskaction.flows.validation import validated
from taskaction.logs import configure_logs
from taskaction.portagent.agent import PortAgent
from taskaction.portagent.settings import PortAgentConfig
from taskaction.webhooks.service import WebhookService
from taskaction.webhooks.settings import WebhooksConfig

USAGE_ERROR = 2
INVALID = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; give the process's exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except TaskActionError as error:
        print(f"taskaction: {error}", file=sys.stderr)
        return USAGE_ERROR


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="taskaction", description="A Kubernetes operator: one resource is one action."
    )
    parser.add_argument("--version", action="version", version=__version__)
    areas = parser.add_subparsers(required=True, metavar="COMMAND")
    operator = areas.add_parser("operator", help="the operator itself").add_subparsers(required=True, metavar="COMMAND")
    run = operator.add_parser("run", help="run one replica; settings come from TASKACTION_* in the environment")
    run.set_defaults(command=lambda _: _run_operator())
    release = operator.add_parser("release", help="before uninstalling: abort unfinished actions, and let go of them")
    release.add_argument("--timeout", default="60s", help="how long aborts may take (default: %(default)s)")
    release.set_defaults(command=lambda options: _release(options.timeout))
    agents = areas.add_parser("port-agent", help="claims runs from Port")
    agent = agents.add_subparsers(required=True, metavar="COMMAND")
    serve = agent.add_parser("run", help="run one agent; settings come from TASKACTION_PORT_AGENT_* in the environment")
    serve.set_defaults(command=lambda _: _run_port_agent())
    inbox = areas.add_parser("webhooks", help="takes webhooks in").add_subparsers(required=True, metavar="COMMAND")
    listen = inbox.add_parser("serve", help="run one inbox; settings come from TASKACTION_* in the environment")
    listen.set_defaults(command=lambda _: _serve_webhooks())
    flow = areas.add_parser("flow", help="flow definitions").add_subparsers(required=True, metavar="COMMAND")
    validate = flow.add_parser("validate", help="say what is wrong with a definition, without any cluster")
    validate.add_argument("file", metavar="FILE", help="JSON or YAML; - reads standard input")
    validate.add_argument("--strict", action="store_true", help="also refuse what Globus Flows does not have")
    validate.set_defaults(command=lambda options: _validate_flow(options.file, strict=options.strict))
    calls = areas.add_parser("actions", help="Flyte's Actions service").add_subparsers(required=True, metavar="COMMAND")
    answer = calls.add_parser("serve", help="run one replica; settings come from TASKACTION_* in the environment")
    answer.set_defaults(command=lambda _: _serve_actions())
    return parser


def _serve_actions() -> int:
    try:
        from taskaction.actions.service import ActionsService  # noqa: PLC0415 - its libraries are an optional extra
        from taskaction.actions.settings import ActionsConfig  # noqa: PLC0415 - the same
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"{error}: install the extra `actions` of taskaction-operator") from error
    config = OperatorConfig.from_environment(os.environ)
    own = ActionsConfig.from_environment(os.environ)
    configure_logs(config.log_format, config.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(ActionsService(config, own).run())
    return 0


def _validate_flow(file: str, *, strict: bool) -> int:
    problems = validated(read_definition(file), strict=strict)
    for problem in problems:
        print(f"{file}: {problem}")
    if not problems:
        print(f"{file}: valid")
    return INVALID if problems else 0


def _serve_webhooks() -> int:
    config = OperatorConfig.from_environment(os.environ)
    own = WebhooksConfig.from_environment(os.environ)
    configure_logs(config.log_format, config.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(WebhookService(config, own).run())
    return 0


def _run_port_agent() -> int:
    config = PortAgentConfig.from_environment(os.environ)
    configure_logs(config.log_format, config.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(PortAgent(config).run())
    return 0


def _release(timeout: str) -> int:
    seconds = parse_duration(timeout).total_seconds()
    config = OperatorConfig.from_environment(os.environ)
    asyncio.run(released(config, seconds, lambda text: print(text, flush=True)))
    return 0


def _run_operator() -> int:
    config = OperatorConfig.from_environment(os.environ)
    tune_process(config)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run_until_signalled(config))
    return 0
