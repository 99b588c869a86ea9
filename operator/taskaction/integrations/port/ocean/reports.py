"""What an Ocean executor says of a run, and which outcome follows from it; pure."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from taskaction.api.enums import ErrorKind
from taskaction.api.reasons import Reason
from taskaction.api.task_action import Link
from taskaction.core.constants import MESSAGE_LIMIT_CHARS
from taskaction.core.names import truncated
from taskaction.integrations.port.ocean.models import RunStatus, WorkflowNodeRunLog
from taskaction.lifecycle.outcomes import Failed, Outcome, Pending, Succeeded

LOGS_KEPT = 20
_ID_CHARS = 253
_URL_CHARS = 2048
_WAITING = "goes on outside; a report or a webhook ends it"


def _texts(value: object) -> object:
    """Give links as a tuple: Port takes one, several, or objects with a ``url``."""
    if value is None:
        return ()
    said = value if isinstance(value, list | tuple) else [value]
    return tuple(str(one.get("url", "")) if isinstance(one, Mapping) else str(one) for one in said)


def _lines(value: object) -> object:
    """Give log lines as texts: Ocean writes texts, or objects with a ``message``."""
    if value is None:
        return ()
    said = value if isinstance(value, list | tuple) else [value]
    texts = [_line(one) for one in said]
    return tuple(truncated(text, MESSAGE_LIMIT_CHARS) for text in texts[-LOGS_KEPT:])


def _line(one: object) -> str:
    if isinstance(one, WorkflowNodeRunLog):
        return one.message
    return str(one.get("message", "")) if isinstance(one, Mapping) else str(one)


def _label(value: object) -> object:
    """Give a label as text: Port takes it as one, or as an object with a ``text``."""
    return value.get("text") if isinstance(value, Mapping) else value


class Report(BaseModel):
    """Something that was said of a run; every part may be missing."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)

    status: RunStatus | None = None
    summary: str | None = None
    links: Annotated[tuple[str, ...], BeforeValidator(_texts)] = Field(
        default=(), validation_alias=AliasChoices("link", "links")
    )
    external_run_id: Annotated[str, Field(min_length=1, max_length=_ID_CHARS)] | None = Field(
        default=None, validation_alias=AliasChoices("externalRunId", "external_run_id")
    )
    logs: Annotated[tuple[str, ...], BeforeValidator(_lines)] = ()
    output: dict[str, Any] | None = None
    label: Annotated[str | None, BeforeValidator(_label)] = Field(
        default=None, validation_alias=AliasChoices("statusLabel", "status_label")
    )
    reauth: bool = Field(default=False, validation_alias=AliasChoices("reauthRequired", "reauth_required"))

    @classmethod
    def read(cls, patch: Mapping[str, Any]) -> Self:
        """Read what ``patch_run`` was given, or an ActionEvent's payload.

        Raises:
            ValueError: a field has a value that no run can have; the message names it.
        """
        try:
            return cls.model_validate(dict(patch))
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            name = ".".join(str(part) for part in problem["loc"])
            raise ValueError(f"{name}: {problem['msg']} (it is {problem['input']!r})") from error

    def payload(self) -> dict[str, Any]:
        """Give it as an ActionEvent of type Report carries it."""
        said: dict[str, Any] = {
            "status": self.status and str(self.status),
            "summary": self.summary,
            "link": self.links[0] if len(self.links) == 1 else list(self.links),
            "externalRunId": self.external_run_id,
            "logs": list(self.logs),
            "output": self.output,
            "statusLabel": self.label,
            "reauthRequired": self.reauth,
        }
        return {name: value for name, value in said.items() if value}

    def then(self, later: "Report") -> "Report":
        """Give what is known after ``later``: it replaces what it names, as Port does; outputs add up."""
        output = {**(self.output or {}), **(later.output or {})} or None
        return Report(
            status=later.status or self.status,
            summary=self.summary if later.summary is None else later.summary,
            links=later.links or self.links,
            external_run_id=later.external_run_id or self.external_run_id,
            logs=(*self.logs, *later.logs),
            output=output,
            label=later.label or self.label,
            reauth=later.reauth if later.reauth or later.status else self.reauth,
        )

    @property
    def text(self) -> str:
        """What to show people while the run goes on: the newest line, else the summary."""
        return (self.logs[-1] if self.logs else None) or self.summary or self.label or ""


NOTHING = Report()


def outcome_of(report: Report, *, waits: bool, external_id: str | None, poll_after: float, name: str) -> Outcome:
    """Give what the engine is told of a call that ended without an error.

    Args:
        report: everything that was said of the run.
        waits: something may still be said of it later: there is a webhook, or it was waited for before.
        external_id: what the target was known to call the run before the call.
        poll_after: seconds until it is looked at again without any news.
        name: the executor's, for messages.
    """
    message = truncated(report.summary or "", MESSAGE_LIMIT_CHARS)
    if report.status is RunStatus.SUCCESS:
        return Succeeded(output=report.output, message=message)
    if report.status is RunStatus.FAILURE:
        said = message or next((line for line in reversed(report.logs) if line), "") or report.label
        return Failed(code=Reason.EXECUTION_FAILED, message=said or f"{name} reported a failure without a summary")
    if waits or report.status is RunStatus.IN_PROGRESS or report.external_run_id or external_id:
        return Pending(
            poll_after=poll_after,
            external_id=report.external_run_id or external_id,
            message=_WAITING,
        )
    return Failed(
        code=Reason.NO_RESULT_REPORTED,
        message=f"{name} returned without a report: report SUCCESS or FAILURE, or IN_PROGRESS for what goes on",
        kind=ErrorKind.SYSTEM,
        retry_class=None,
    )


def shown_links(report: Report) -> tuple[Link, ...]:
    """Give the links that a status can hold."""
    urls = [url for url in report.links if 0 < len(url) <= _URL_CHARS]
    return tuple(Link(name="run" if not place else f"run {place + 1}", url=url) for place, url in enumerate(urls[:8]))
