"""The documents of the Globus Action Provider interface, read leniently and written strictly; no I/O.

Real providers depart from the interface in several fields, so every optional field may be null or missing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import orjson

from taskaction.core.names import truncate
from taskaction.integrations.globus.model import GlobusConfig

_SHOWN_CHARS = 700
_ID_CHARS = 253
_NO_IDS = frozenset({".", ".."})
"""Quoting does not change these, so they would lead to other paths than the provider's."""
_REFUSAL_BYTES = 16 * 1024
_PROGRESS_BYTES = 16 * 1024


class GlobusState(StrEnum):
    """Status of an ActionStatus document, by the names of Globus."""

    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"

    @property
    def terminal(self) -> bool:
        """Whether the status is final."""
        return self in {GlobusState.SUCCEEDED, GlobusState.FAILED}


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionStatus:
    """ActionStatus of a provider; ``document`` is what it sent, and becomes the output."""

    action_id: str
    state: GlobusState
    document: Mapping[str, Any]

    @property
    def message(self) -> str:
        """The message for people: code and description of the details, the required scope, or the display status."""
        details = self.document.get("details")
        display = self.document.get("display_status")
        parts = [str(display)] if display and str(display).upper() != self.state else []
        if isinstance(details, str):
            parts.append(details)
        if isinstance(details, Mapping):
            named = [str(details[name]) for name in ("code", "description") if details.get(name)]
            parts.append(": ".join(named))
            for name, shown in (("required_scope", "required scope"), ("resolution_url", "see")):
                if details.get(name):
                    parts.append(f"{shown} {details[name]}")
        return truncate("; ".join(part for part in parts if part) or str(self.state), _SHOWN_CHARS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """Description of a provider from its introspection; ``known`` is false if that cannot be read."""

    scope: str | None = None
    title: str = ""
    synchronous: bool = False
    public: bool = True
    input_schema: Mapping[str, Any] | None = field(default=None, repr=False)
    known: bool = True


def read_status(value: object, *, action_id: str | None = None) -> ActionStatus | None:
    """Return the status that ``value`` is, None where it is none; every optional field may be null or missing.

    ``action_id`` is the id that was asked about: a reply that leaves it out is about this one.
    """
    if not isinstance(value, Mapping):
        return None
    found = value.get("action_id") or action_id
    standing = str(value.get("status", "")).upper()
    if not isinstance(found, str) or not 0 < len(found) <= _ID_CHARS or found in _NO_IDS:
        return None
    if standing not in set(GlobusState):
        return None
    if action_id is not None and found != action_id:
        return None
    return ActionStatus(
        action_id=found, state=GlobusState(standing), document={**value, "action_id": found, "status": standing}
    )


def progress_document(status: ActionStatus) -> Mapping[str, Any]:
    """Return the document of an action that continues; details that are too large are replaced by the message."""
    if len(orjson.dumps(status.document.get("details"))) <= _PROGRESS_BYTES:
        return status.document
    return {**status.document, "details": {"description": status.message}}


def lost_action_document(action_id: str) -> dict[str, Any]:
    """Return the ActionStatus document of an action that its provider no longer knows."""
    description = (
        f"the provider does not know action {action_id!r} any more: it was released, or lost; "
        "whether it took effect is not known"
    )
    details = {"code": "ActionNotFound", "description": description}
    return {"action_id": action_id, "status": GlobusState.FAILED, "details": details, "creator_id": ""}


def refused_action_document(body: object) -> dict[str, Any] | None:
    """Return the document of an action that a provider did not start, or None without an error structure."""
    if not isinstance(body, Mapping) or not body or len(orjson.dumps(body)) > _REFUSAL_BYTES:
        return None
    return {"status": GlobusState.FAILED, "details": dict(body), "creator_id": ""}


def read_description(value: object) -> Description:
    """Return the readable fields of a ProviderDescription; fields of a wrong type are left out."""
    if not isinstance(value, Mapping):
        return Description(known=False)
    scope, schema, visible = value.get("globus_auth_scope"), value.get("input_schema"), value.get("visible_to")
    return Description(
        scope=scope if isinstance(scope, str) and scope else None,
        title=str(value.get("title") or ""),
        synchronous=value.get("synchronous") is True,
        public=not isinstance(visible, list) or "public" in visible,
        input_schema=schema if isinstance(schema, Mapping) else None,
    )


def action_request(config: GlobusConfig, request_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document that starts the action: equal for every repeat, with fields of the interface only."""
    optional: dict[str, Any] = {
        "label": config.label,
        "tags": list(config.tags),
        "monitor_by": list(config.monitor_by),
        "manage_by": list(config.manage_by),
        "deadline": config.deadline.isoformat() if config.deadline is not None else None,
        "release_after": config.release_after,
    }
    return {"request_id": request_id, "body": dict(body)} | {name: value for name, value in optional.items() if value}


def error_text(code: int, body: object) -> str:
    """Return what a refusal says: the toolkit's code and description, else the text; of a page of HTML nothing."""
    said = ""
    if isinstance(body, Mapping):
        inner = body.get("error") if isinstance(body.get("error"), Mapping) else body
        named = [str(inner[name]) for name in ("code", "description", "detail") if inner.get(name)] if inner else []
        said = ": ".join(named)
    elif isinstance(body, str) and not body.lstrip().startswith("<"):
        said = body.strip()
    return truncate(f"HTTP {code}{': ' if said else ''}{said}", _SHOWN_CHARS)
