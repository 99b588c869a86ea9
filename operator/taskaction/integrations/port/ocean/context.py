"""``ocean``, the context object through which Ocean code accesses its environment; keeps no state of any run."""

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from taskaction.core.errors import ConfigurationError
from taskaction.integrations.port.ocean.integration_config import find_spec_folder, load_specs, read_config
from taskaction.integrations.port.ocean.models import IntegrationRun, RunStatus, WorkflowNodeRun, WorkflowNodeRunLog
from taskaction.integrations.port.ocean.report_router import AnyRun, Host, ReportSink, current_desk
from taskaction.integrations.port.ocean.reports import OceanReport, stored_id
from taskaction.plugin.toolbox import Toolbox

PAGE = "docs/porting-from-ocean.md"


class PortClient:
    """Port client of Ocean executors, whose calls become the status of a TaskAction."""

    def __init__(self, context: "PortOceanContext") -> None:
        self._context = context

    async def patch_run(self, run: IntegrationRun | str, patch: Mapping[str, Any], *_: Any, **__: Any) -> None:
        """Report on a run, by its id or object.

        In ``execute`` the report becomes the outcome; anywhere else it is stored for the action's owner.

        Raises:
            ValueError: ``patch`` has an invalid value.
            UnknownRunError: this process does not know the run.
        """
        await self._context.report_sink.report(_id_of(run), OceanReport.from_patch(patch))

    async def update_run_started(
        self,
        run: IntegrationRun | str,
        link: str | None = None,
        external_id: str | None = None,
        extra_output: Mapping[str, Any] | None = None,
        status_label: str | None = None,
    ) -> None:
        """Report that the target has started the run, and its external id, by which a webhook finds it."""
        output = dict(extra_output or {})
        if isinstance(run, WorkflowNodeRun):
            run.output = output = {"workflowRunUrl": link, **output}
        patch = {"status": RunStatus.IN_PROGRESS, "link": link, "externalRunId": external_id}
        await self.patch_run(run, patch | {"output": output or None, "statusLabel": status_label})

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
        """Report the end of a run.

        Args:
            success: whether the run succeeded.
            message: message of the status, shown unchanged.
            output: output of the run.
        """
        status = RunStatus.SUCCESS if success else RunStatus.FAILURE
        label = status_label if isinstance(status_label, str) else None  # before 0.49 should_raise stood in its place
        if isinstance(run, WorkflowNodeRun):
            output = {**run.output, **(output or {})} or None
        await self.patch_run(run, {"status": status, "summary": message, "statusLabel": label, "output": output})

    async def post_run_log(
        self,
        run: IntegrationRun | str,
        message: str,
        level: str = "INFO",
        status_label: str | bool | None = None,  # noqa: FBT001 - as in Ocean
        *_: Any,
        **__: Any,
    ) -> None:
        """Log a line: the last ones are kept on the action, and the newest one is its progress message."""
        label = status_label if isinstance(status_label, str) else None
        await self.patch_run(run, {"logs": [{"level": level, "message": message}], "statusLabel": label})

    async def post_run_logs(
        self,
        run: IntegrationRun | str,
        logs: Iterable[str | Mapping[str, Any] | WorkflowNodeRunLog],
        *_: Any,
        **__: Any,
    ) -> None:
        """Log lines."""
        await self.patch_run(run, {"logs": list(logs)})

    async def find_run_by_external_id(self, external_id: str) -> AnyRun | None:
        """Return the run with this external id, also one that has ended; None if this process does not know it."""
        name = stored_id(external_id)
        return await self._context.report_sink.find(name) if name is not None else None

    async def get_run_by_external_id(self, external_id: str) -> AnyRun | None:
        """Return the same as ``find_run_by_external_id``; this is its former name."""
        return await self.find_run_by_external_id(external_id)

    def is_run_in_progress(self, run: IntegrationRun) -> bool:
        """Whether the end of the run has not been reported."""
        return run.is_in_progress

    async def acknowledge_run(self, run: IntegrationRun | str) -> None:
        """Do nothing: the claim is written before an executor is called, and fenced by the API server."""


class PortOceanContext:
    """Context that Ocean code imports as ``ocean``; Ocean's API requires one for the process."""

    def __init__(self) -> None:
        self.port_client = PortClient(self)
        self.registered: list[Any] = []
        self._host: Host | None = None
        self._spec_folders: list[Path] = []

    @property
    def report_sink(self) -> ReportSink:
        """Current destination of reports: the call in progress, otherwise the host of the process."""
        desk = current_desk.get() or self._host
        if desk is None:
            raise ConfigurationError("no operator runs in this process yet; use ocean.port_client in execute")
        return desk

    @property
    def integration_config(self) -> Mapping[str, Any]:
        """Configuration of the integration: the environment, overridden by the provider of the current run.

        The spec in the working directory, as in Ocean, and those next to registered executors give types and defaults.
        Webhooks are authenticated before their run is known, so their secrets come from the environment.

        Raises:
            ConfigurationError: a variable or a spec is invalid.
        """
        desk = current_desk.get()  # integrations read their configuration when they are imported, too
        spec = load_specs((Path.cwd(), *self._spec_folders))
        return {**read_config(os.environ, spec), **(desk.config if desk is not None else {})}

    def add_spec_of(self, executor: object) -> None:
        """Use the spec of the integration that an executor is part of, if it has one."""
        file = getattr(sys.modules.get(type(executor).__module__), "__file__", None)
        folder = find_spec_folder(Path(file).resolve().parent) if file is not None else None
        if folder is not None and folder not in self._spec_folders:
            self._spec_folders.append(folder)

    def host(self, toolbox: Toolbox) -> Host:
        """Return the host of the operator with this toolbox."""
        if self._host is None or self._host.toolbox is not toolbox:
            self._host = Host(toolbox)
        return self._host

    def register_action_executor(self, executor: Any) -> None:
        """Register an executor for the next ``ExecutionManager`` that starts."""
        self.registered.append(executor)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"ocean.{name} is not supported; see {PAGE} for what is, and for replacements")


def _id_of(run: IntegrationRun | str) -> str:
    return run if isinstance(run, str) else run.id


ocean = PortOceanContext()
"""Context of the process; concurrent runs are separate, because each call has its own report sink."""
