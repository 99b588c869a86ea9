"""Requests of Port's run API: paths and bodies of both kinds of runs, as Ocean's client sends them; pure functions.

Source: ``port_ocean/clients/port/mixins`` (0.55.4).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, assert_never
from urllib.parse import quote

from taskaction.api.enums import LogLevel, Phase
from taskaction.integrations.port.agent.reports import EndReport, LogReport, Report, StartReport
from taskaction.integrations.port.agent.runs import PortRunKind

RESERVED = {"x-port-reserved-usage": "true"}
"""Header of claims and acknowledgements."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortRequest:
    """Request to Port; ``minimal`` is the body to send instead if Port refuses an optional field of ``body``."""

    method: str
    path: str
    body: dict[str, Any]
    minimal: dict[str, Any] | None = None
    reserved: bool = False


def claim_request(
    kind: PortRunKind, *, installation: str, limit: int, visibility_ms: int, exclude: Sequence[str]
) -> PortRequest:
    """Return the claim of up to ``limit`` pending runs, which Port hides from other claims for ``visibility_ms``."""
    body: dict[str, Any] = {"installationId": installation, "limit": limit, "visibilityTimeoutMs": visibility_ms}
    if exclude:
        body["exclude"] = list(exclude)
    return PortRequest(method="POST", path=f"/v1/{_area(kind)}/runs/claim-pending", body=body, reserved=True)


def parse_claim(kind: PortRunKind, answer: object) -> list[Any]:
    """Return the unparsed runs of the response to a claim; raises ``ValueError`` if it has no list of runs."""
    name = "runs" if kind is PortRunKind.ACTION else "nodeRuns"
    runs = answer.get(name, []) if isinstance(answer, dict) else None
    if not isinstance(runs, list):
        raise ValueError(f"the response to a claim has no list {name!r}")  # noqa: TRY004 - the response's value is wrong
    return runs


def acknowledge_request(kind: PortRunKind, run_id: str) -> PortRequest:
    """Return the acknowledgement, after which Port hands out the run to no other agent."""
    body = {"runId": run_id} if kind is PortRunKind.ACTION else {"nodeRunIdentifier": run_id}
    return PortRequest(method="PATCH", path=f"/v1/{_area(kind)}/runs/ack", body=body, reserved=True)


def report_requests(kind: PortRunKind, run_id: str, report: Report) -> tuple[PortRequest, ...]:
    """Return the requests that make up a report."""
    run = quote(run_id, safe="")
    if kind is PortRunKind.ACTION:
        return _action_requests(f"/v1/actions/runs/{run}", report)
    return _node_requests(f"/v1/workflows/nodes/runs/{run}", report)


def _action_requests(path: str, report: Report) -> tuple[PortRequest, ...]:
    match report:
        case LogReport():
            body: dict[str, Any] = {"message": report.message, "statusLabel": report.label}
            return (PortRequest(method="POST", path=f"{path}/logs", body=body, minimal={"message": report.message}),)
        case StartReport():
            body = {"statusLabel": report.label}
            if report.links:
                body["link"] = report.links[0] if len(report.links) == 1 else list(report.links)
            if report.external_id is not None:
                body["externalRunId"] = report.external_id
            return (PortRequest(method="PATCH", path=path, body=body),)
        case EndReport():
            status = {"status": "SUCCESS" if report.phase is Phase.SUCCEEDED else "FAILURE"}
            body = {**status, "statusLabel": report.label, "summary": report.summary}
            return (PortRequest(method="PATCH", path=path, body=body, minimal=status),)
        case _:
            assert_never(report)


def _node_requests(path: str, report: Report) -> tuple[PortRequest, ...]:
    match report:
        case LogReport():
            return (_log_request(path, report.level, report.message), _label_request(path, report.label))
        case StartReport():
            body: dict[str, Any] = {"status": "IN_PROGRESS", "statusLabel": {"text": report.label}}
            if report.external_id is not None:
                body["externalRunId"] = report.external_id
            if report.links:
                body["links"] = list(report.links)
            if output := _node_output(report):
                body["output"] = output
            return (PortRequest(method="PATCH", path=path, body=body),)
        case EndReport():
            succeeded = report.phase is Phase.SUCCEEDED
            level = LogLevel.INFO if succeeded else LogLevel.ERROR
            result = {"status": "COMPLETED", "result": "SUCCESS" if succeeded else "FAILED"}
            body = {**result, "statusLabel": {"text": report.label}}
            output = _node_output(report)
            if output:
                body["output"] = output
            return (
                _log_request(path, level, report.summary),
                PortRequest(method="PATCH", path=path, body=body, minimal=result),
            )
        case _:
            assert_never(report)


def _node_output(report: StartReport | EndReport) -> dict[str, Any]:
    """Return a node's output; a patch replaces the whole output, so it repeats the link."""
    link = {"workflowRunUrl": report.links[0]} if report.links else {}
    if report.output is None:
        return link
    return link | (report.output if isinstance(report.output, dict) else {"result": report.output})


def _log_request(path: str, level: LogLevel, message: str) -> PortRequest:
    return PortRequest(method="POST", path=f"{path}/logs", body={"logs": [{"level": str(level), "message": message}]})


def _label_request(path: str, label: str) -> PortRequest:
    return PortRequest(method="PATCH", path=path, body={"statusLabel": {"text": label}})


def _area(kind: PortRunKind) -> str:
    return "actions" if kind is PortRunKind.ACTION else "workflows"
