"""A plug-in needs two imports: the contract, and the conformance tests."""

import ast
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from taskaction.plugin import (
    COMMA_LIST,
    AbstractExecutor,
    Correlation,
    InvalidParametersError,
    Outcome,
    Parameters,
    Paused,
    Pending,
    Progress,
    Run,
    Settings,
    SettingsReader,
    Succeeded,
    Toolbox,
    WebhookRefusedError,
    WebhookRequest,
)
from taskaction.testing.conformance import ExecutorConformance


class TicketParameters(Parameters):
    """Parameters of a ticket."""

    queue: str


class TicketSettings(Settings, env_prefix="TASKACTION_TICKETS_"):
    """Settings that an administrator chooses."""

    queues: Annotated[tuple[str, ...], COMMA_LIST] = ("default",)
    poll_seconds: Annotated[float, Field(gt=0)] = 0.01


class TicketExecutor(AbstractExecutor):
    """Opens a ticket, and waits until it is closed."""

    ACTION_NAME = "ticket"
    PARAMETERS = TicketParameters
    SETTINGS = TicketSettings
    WEBHOOK_PATH = "/tickets"
    IDEMPOTENT = True

    def __init__(self, settings: TicketSettings) -> None:
        self._settings = settings
        self.polled: dict[str, int] = {}

    @classmethod
    def build(cls, toolbox: Toolbox) -> "TicketExecutor":
        return cls(toolbox.settings(TicketSettings))

    async def execute(self, run: Run) -> Outcome:
        wanted = TicketParameters.model_validate(run.parameters)
        if wanted.queue not in self._settings.queues:
            raise InvalidParametersError(f"spec.parameters.queue: use one of {', '.join(self._settings.queues)}")
        run.reporter.progress(Progress(message="opened"))
        return Pending(poll_after=self._settings.poll_seconds, external_id=f"ticket-{run.uid}")

    async def poll(self, run: Run) -> Outcome:
        self.polled[run.uid] = self.polled.get(run.uid, 0) + 1
        return (
            Succeeded(output={"ticket": run.external_id})
            if self.polled[run.uid] > 1
            else Paused(message="open", poll_after=0.01)
        )

    async def admit(self, request: WebhookRequest) -> tuple[Correlation, ...]:
        if "x-token" not in request.headers:
            raise WebhookRefusedError(401, "send the header X-Token")
        return (Correlation(external_id=request.body["ticket"]),)


class TestTicket(ExecutorConformance):
    def executor(self) -> AbstractExecutor:
        return TicketExecutor(SettingsReader({"TASKACTION_TICKETS_QUEUES": "a,b"})(TicketSettings))

    def parameters(self) -> dict[str, Any]:
        return {"queue": "b"}


def test_this_file_imports_nothing_else_of_the_package() -> None:
    tree = ast.parse(Path(__file__).read_text(encoding="utf-8"))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    plain = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    found = {module for module in modules | plain if module and module.startswith("taskaction")}
    assert found == {"taskaction.plugin", "taskaction.testing.conformance"}
