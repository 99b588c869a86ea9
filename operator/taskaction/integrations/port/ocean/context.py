"""``ocean``, the one name through which Ocean code reaches its surroundings; keeps no state of any run."""

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

from taskaction.core.errors import ConfigurationError
from taskaction.integrations.port.ocean.models import IntegrationRun, RunStatus, WorkflowNodeRunLog
from taskaction.integrations.port.ocean.report_router import AnyRun, Desk, Host, current_desk
from taskaction.integrations.port.ocean.reports import Report
from taskaction.plugin.toolbox import Toolbox

PAGE = "docs/porting-from-ocean.md"
_CONFIG_PREFIX = "OCEAN__INTEGRATION__CONFIG__"


class PortClient:
    """What Ocean executors say to Port: here it becomes the status of a TaskAction."""

    def __init__(self, context: "PortOceanContext") -> None:
        self._context = context

    async def patch_run(self, run: IntegrationRun | str, patch: Mapping[str, Any], *_: Any, **__: Any) -> None:
        """Report on a run, given by its id or itself.

        Inside ``execute`` it becomes the outcome; from anywhere else it is stored for the action's owner.

        Raises:
            ValueError: ``patch`` has a value that no run can have.
            UnknownRunError: this process never had the run.
        """
        await self._context.desk.report(_id_of(run), Report.read(patch))

    async def update_run_started(
        self,
        run: IntegrationRun | str,
        link: str | None = None,
        external_id: str | None = None,
        extra_output: Mapping[str, Any] | None = None,
        status_label: str | None = None,
    ) -> None:
        """Report that the target has begun, and what it calls the run: a webhook finds it by this."""
        patch = {"status": RunStatus.IN_PROGRESS, "link": link, "externalRunId": external_id}
        await self.patch_run(run, patch | {"output": extra_output, "statusLabel": status_label})

    async def report_run_completed(  # noqa: D417 - should_raise and status labels are Port's
        self,
        run: IntegrationRun | str,
        success: bool,  # noqa: FBT001 - Ocean's signature
        message: str | None = None,
        status_label: str | bool | None = None,  # noqa: FBT001 - as in Ocean
        should_raise: bool = False,  # noqa: ARG002, FBT001, FBT002 - a report here is kept or raises
        *,
        output: Mapping[str, Any] | None = None,
    ) -> None:
        """Report the end.

        Args:
            success: whether it went well.
            message: shown to people as it stands.
            output: the result, where there is one.
        """
        status = RunStatus.SUCCESS if success else RunStatus.FAILURE
        label = status_label if isinstance(status_label, str) else None  # before 0.49 should_raise stood in its place
        await self.patch_run(run, {"status": status, "summary": message, "statusLabel": label, "output": output})

    async def post_run_log(
        self,
        run: IntegrationRun | str,
        message: str,
        level: str = "INFO",  # noqa: ARG002 - Port drops it for actions, too
        status_label: str | bool | None = None,  # noqa: FBT001 - as in Ocean
        *_: Any,
        **__: Any,
    ) -> None:
        """Show a line to people: the newest is the action's progress."""
        label = status_label if isinstance(status_label, str) else None
        await self.patch_run(run, {"logs": [message], "statusLabel": label})

    async def post_run_logs(
        self,
        run: IntegrationRun | str,
        logs: Iterable[str | Mapping[str, Any] | WorkflowNodeRunLog],
        *_: Any,
        **__: Any,
    ) -> None:
        """Show lines to people."""
        await self.patch_run(run, {"logs": list(logs)})

    async def find_run_by_external_id(self, external_id: str) -> AnyRun | None:
        """Give the run that the target calls so; None where this process knows none."""
        return await self._context.desk.find(external_id)

    async def get_run_by_external_id(self, external_id: str) -> AnyRun | None:
        """Do as ``find_run_by_external_id``, by the name it had before."""
        return await self.find_run_by_external_id(external_id)

    def is_run_in_progress(self, run: IntegrationRun) -> bool:
        """Say whether nothing final has been reported."""
        return run.is_in_progress

    async def acknowledge_run(self, run: IntegrationRun | str) -> None:
        """Do nothing: the claim is written before an executor is called, and fenced by the API server."""


class PortOceanContext:
    """What Ocean code imports as ``ocean``; Ocean's interface forces one for the process."""

    def __init__(self) -> None:
        self.port_client = PortClient(self)
        self.registered: list[Any] = []
        self._host: Host | None = None

    @property
    def desk(self) -> Desk:
        """Where reports go now: the desk of the call under way, else the process's."""
        desk = current_desk.get() or self._host
        if desk is None:
            raise ConfigurationError("no operator runs in this process yet: use ocean.port_client in execute")
        return desk

    @property
    def integration_config(self) -> Mapping[str, Any]:
        """The integration's configuration: the environment's, and over it that of the current run's provider.

        Webhooks are authenticated before it is known whom they are about, so their secrets are the environment's.
        """
        desk = current_desk.get()  # integrations read their configuration when they are imported, too
        return {**_from_environment(os.environ), **(desk.config if desk is not None else {})}

    def host(self, toolbox: Toolbox) -> Host:
        """Give the host of the operator that has this toolbox."""
        if self._host is None or self._host.toolbox is not toolbox:
            self._host = Host(toolbox)
        return self._host

    def register_action_executor(self, executor: Any) -> None:
        """Have the next ``ExecutionManager`` that is started run an executor."""
        self.registered.append(executor)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"ocean.{name} is not offered: {PAGE} says what is, and what replaces the rest")


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """Read ``OCEAN__INTEGRATION__CONFIG__NAME`` as Ocean does: text, or a JSON object or list."""
    said = {
        name.removeprefix(_CONFIG_PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(_CONFIG_PREFIX)
    }
    return {name: json.loads(value) if value[:1] in {"{", "["} else value for name, value in said.items()}


def _id_of(run: IntegrationRun | str) -> str:
    return run if isinstance(run, str) else run.id


ocean = PortOceanContext()
"""The process's context; runs that go on side by side are kept apart by the desk of each."""
