"""JSON documents of answers, from rows of the history. Pure."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from taskaction.core.constants import API_VERSION
from taskaction.history.reader import HistoryPage, HistoryStatistics, HistoryTree, Row

_MILLISECOND = timedelta(milliseconds=1)
_EPOCH = datetime.fromtimestamp(0, UTC)
_SECONDS_PER_HOUR = 3600


def time_text(milliseconds: int) -> str:
    """Return a time of the history in RFC 3339."""
    return (_EPOCH + milliseconds * _MILLISECOND).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def summary(row: Row) -> dict[str, Any]:
    """Return a row of a list; absent values are left out."""
    owner = {"kind": row["owner_kind"], "name": row["owner_name"], "uid": row["owner_uid"]}
    return _present(
        {
            "uid": row["uid"],
            "kind": row["kind"],
            "namespace": row["namespace"],
            "name": row["name"],
            "phase": row["phase"],
            "reason": row["reason"],
            "message": row["message"],
            "executor": row["executor"],
            "providerKind": row["provider_kind"],
            "provider": row["provider"],
            "createdAt": time_text(row["created_at"]),
            "startedAt": _time_or_none(row["started_at"]),
            "endedAt": time_text(row["ended_at"]),
            "deletedAt": _time_or_none(row["deleted_at"]),
            "durationMs": row["duration"],
            "attempts": row["attempts"],
            "parent": _present(owner) or None,
            "labels": row["labels"],
        }
    )


def page_document(page: HistoryPage) -> dict[str, Any]:
    """Return the answer for a list."""
    token = page.after.to_token() if page.after is not None else None
    return _present({"items": list(map(summary, page.rows)), "nextPageToken": token})


def object_document(row: Row) -> dict[str, Any]:
    """Return the answer for one object; the object is passed on as it is stored."""
    head = orjson.dumps({"apiVersion": API_VERSION, "kind": row["kind"]})
    return {"item": summary(row), "object": orjson.Fragment(head[:-1] + b"," + row["body"].encode()[1:])}


def tree_document(tree: HistoryTree) -> dict[str, Any]:
    """Return the answer for a tree."""
    return {"root": tree.root, "items": list(map(summary, tree.rows)), "truncated": tree.is_truncated}


def statistics_document(found: HistoryStatistics, since: int, until: int) -> dict[str, Any]:
    """Return the answer for statistics of a range of time."""
    phases = {row["phase"]: row["count"] for row in found.phases}
    count = sum(phases.values())
    hours = (until - since) / 1000 / _SECONDS_PER_HOUR
    return {
        "since": time_text(since),
        "until": time_text(until),
        "count": count,
        "perHour": round(count / hours, 3),
        "phases": phases,
        "reasons": [
            {"reason": row["reason"], "count": row["count"], "share": round(row["count"] / count, 4)}
            for row in found.reasons
        ],
        "duration": _present(found.duration),
        "queueWait": _present(found.wait),
        "hours": [
            {
                "hour": time_text(row["hour"]),
                "count": row["count"],
                "failed": int(row["failed"]),
                "duration": _present(row["duration"]),
                "queueWait": _present(row["wait"]),
            }
            for row in sorted(found.hours, key=lambda row: row["hour"])
        ],
    }


def providers_document(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the answer for what executed actions."""
    return {
        "items": [
            _present(
                {
                    "providerKind": row["provider_kind"],
                    "provider": row["provider"],
                    "executor": row["executor"],
                    "count": row["count"],
                    "failed": int(row["failed"]),
                    "duration": _present(row["duration"]),
                }
            )
            for row in rows
        ]
    }


def _time_or_none(milliseconds: int | None) -> str | None:
    return time_text(milliseconds) if milliseconds is not None else None


def _present(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
