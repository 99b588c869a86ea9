"""Reports of an Ocean executor on a run, and the outcome that follows from them; pure functions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from taskaction.api.enums import ErrorKind, LogLevel
from taskaction.api.reasons import Reason
from taskaction.api.task_action import Link
from taskaction.core.constants import EXTERNAL_ID_CHARS, LOG_LINES_KEPT, MESSAGE_LIMIT_CHARS
from taskaction.core.names import digest, truncate
from taskaction.integrations.port.ocean.models import (
    RunStatus,
    WorkflowNodeRunLog,
    WorkflowNodeRunResult,
    WorkflowNodeRunStatus,
)
from taskaction.lifecycle.outcomes import Failed, Outcome, Pending, Succeeded

_LEVELS = {**{str(level): level for level in LogLevel}, "WARNING": LogLevel.WARN}  # as Ocean's client maps it
_LABEL_CHARS = 64
_URL_CHARS = 2048
_WAITING = "running outside; a report or a webhook ends it"


def _texts(value: object) -> object:
    """Return links as a tuple: Port accepts one, several, or objects with a ``url``."""
    if value is None:
        return ()
    said = value if isinstance(value, list | tuple) else [value]
    return tuple(str(one.get("url", "")) if isinstance(one, Mapping) else str(one) for one in said)


def _lines(value: object) -> object:
    """Return log lines: Ocean writes text, or objects with ``message`` and ``level``."""
    if value is None:
        return ()
    said = value if isinstance(value, list | tuple) else [value]
    return tuple(_line(one) for one in said[-LOG_LINES_KEPT:])


def _line(one: object) -> "ReportedLine":
    if isinstance(one, ReportedLine):
        return one
    if isinstance(one, WorkflowNodeRunLog):
        one = one.model_dump()
    text, level = (one.get("message", ""), one.get("level")) if isinstance(one, Mapping) else (one, None)
    word = str(level or LogLevel.INFO).upper()
    known = _LEVELS.get(word, LogLevel.INFO)
    return ReportedLine(truncate(str(text), MESSAGE_LIMIT_CHARS), known)


def _label(value: object) -> object:
    """Return a label as text: Port accepts text, or an object with a ``text``."""
    text = value.get("text") if isinstance(value, Mapping) else value
    return truncate(text, _LABEL_CHARS) if isinstance(text, str) else text


@dataclass(frozen=True, slots=True)
class ReportedLine:
    """Log line of an executor."""

    message: str
    level: LogLevel = LogLevel.INFO

    def to_json(self) -> str | dict[str, str]:
        """Return the line as Ocean writes it: the text alone if its level is the usual one."""
        return self.message if self.level is LogLevel.INFO else {"level": str(self.level), "message": self.message}


def stored_id(value: object) -> str | None:
    """Return an external id as actions store it: text, cut and marked by its digest if it is too long; None if empty.

    Port accepts numbers and ids of any length.
    """
    text = "" if value is None else str(value)
    if len(text) <= EXTERNAL_ID_CHARS:
        return text or None
    mark = digest(text.encode("utf-8", "surrogatepass"))
    return f"{text[: EXTERNAL_ID_CHARS - len(mark) - 1]}-{mark}"


class OceanReport(BaseModel):
    """Report on a run; every field is optional."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)

    status: RunStatus | None = None
    summary: str | None = None
    links: Annotated[tuple[str, ...], BeforeValidator(_texts)] = Field(
        default=(), validation_alias=AliasChoices("link", "links")
    )
    external_run_id: Annotated[str | None, BeforeValidator(stored_id)] = Field(
        default=None, validation_alias=AliasChoices("externalRunId", "external_run_id")
    )
    logs: Annotated[tuple[ReportedLine, ...], BeforeValidator(_lines)] = ()
    output: dict[str, Any] | None = None
    label: Annotated[str | None, BeforeValidator(_label)] = Field(
        default=None, validation_alias=AliasChoices("statusLabel", "status_label")
    )
    reauth: bool = Field(default=False, validation_alias=AliasChoices("reauthRequired", "reauth_required"))

    @model_validator(mode="before")
    @classmethod
    def _read_node_status(cls, said: dict[str, Any]) -> dict[str, Any]:
        """Accept the status and result of a workflow's node."""
        if said.get("status") != WorkflowNodeRunStatus.COMPLETED:
            return said
        succeeded = said.get("result") == WorkflowNodeRunResult.SUCCESS
        return {**said, "status": RunStatus.SUCCESS if succeeded else RunStatus.FAILURE}

    @classmethod
    def of_line(cls, text: str) -> Self:
        """Return a report of one log line."""
        return cls.model_validate({"logs": [text]})

    @classmethod
    def from_patch(cls, patch: Mapping[str, Any]) -> Self:
        """Parse the argument of ``patch_run``, or the payload of an ActionEvent.

        Raises:
            ValueError: a field has an invalid value; the message names it.
        """
        try:
            return cls.model_validate(dict(patch))
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            name = ".".join(str(part) for part in problem["loc"])
            raise ValueError(f"{name}: {problem['msg']}, got {problem['input']!r}") from error

    def to_payload(self) -> dict[str, Any]:
        """Return the payload of an ActionEvent of type Report."""
        said: dict[str, Any] = {
            "status": self.status and str(self.status),
            "summary": self.summary,
            "link": self.links[0] if len(self.links) == 1 else list(self.links),
            "externalRunId": self.external_run_id,
            "logs": [line.to_json() for line in self.logs],
            "output": self.output,
            "statusLabel": self.label,
            "reauthRequired": self.reauth,
        }
        return {name: value for name, value in said.items() if value}

    def merge(self, later: "OceanReport") -> "OceanReport":
        """Return this report updated by ``later``, which replaces the fields it has, as in Port; outputs are merged."""
        output = {**(self.output or {}), **(later.output or {})} or None
        return OceanReport(
            status=later.status or self.status,
            summary=self.summary if later.summary is None else later.summary,
            links=later.links or self.links,
            external_run_id=later.external_run_id or self.external_run_id,
            logs=(*self.logs, *later.logs)[-LOG_LINES_KEPT:],
            output=output,
            label=later.label or self.label,
            reauth=later.reauth if later.reauth or later.status else self.reauth,
        )

    @property
    def text(self) -> str:
        """Progress message of the run: the newest log line, otherwise the summary or the label."""
        return (self.logs[-1].message if self.logs else None) or self.summary or self.label or ""


NOTHING = OceanReport()


def outcome_of(report: OceanReport, *, waits: bool, external_id: str | None, poll_after: float, name: str) -> Outcome:
    """Return the outcome of a call that ended without an error.

    Args:
        report: all reports on the run, merged.
        waits: whether a later report is possible: there is a webhook, or the run already waited for one.
        external_id: external id of the run before the call.
        poll_after: seconds until the next poll if nothing is reported.
        name: name of the executor, for messages.
    """
    message = truncate(report.summary or "", MESSAGE_LIMIT_CHARS)
    if report.status is RunStatus.SUCCESS:
        return Succeeded(output=report.output, message=message)
    if report.status is RunStatus.FAILURE:
        said = message or next((line.message for line in reversed(report.logs) if line.message), "") or report.label
        return Failed(
            code=Reason.EXECUTION_FAILED,
            message=said or f"{name} reported a failure without a summary",
            output=report.output,
        )
    if waits or report.status is RunStatus.IN_PROGRESS or report.external_run_id or external_id:
        return Pending(
            poll_after=poll_after,
            external_id=report.external_run_id or external_id,
            message=_WAITING,
        )
    return Failed(
        code=Reason.NO_RESULT_REPORTED,
        message=f"{name} returned without a report: report SUCCESS or FAILURE, or IN_PROGRESS if the run continues",
        kind=ErrorKind.SYSTEM,
        retry_class=None,
    )


def shown_links(report: OceanReport) -> tuple[Link, ...]:
    """Return the links that fit into a status."""
    urls = [url for url in report.links if 0 < len(url) <= _URL_CHARS]
    return tuple(Link(name="run" if not place else f"run {place + 1}", url=url) for place, url in enumerate(urls[:8]))
