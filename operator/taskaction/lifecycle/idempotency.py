"""Keys by which targets recognize a repeated attempt; pure.

A key that users choose counts within its namespace: with the key of another namespace's action, a target would answer
with that action's result. No two forms of keys can be equal, because neither names of namespaces nor uids contain a
colon or a slash: ``<uid>-<attempt>``, ``<namespace>:<key>-<attempt>``, and ``<uid of run>/<visit>-1`` of inline calls.
"""

from taskaction.api.task_action import TaskActionSpec, TaskActionStatus


def key_base(namespace: str, spec: TaskActionSpec) -> str | None:
    """Return what the keys of an action's attempts begin with; None if the action names none."""
    return None if spec.idempotency_key is None else f"{namespace}:{spec.idempotency_key}"


def attempt_key(base: str | None, attempt: int) -> str | None:
    """Return the key to record with an attempt; None if the key follows from the uid alone."""
    return None if base is None else f"{base}-{attempt}"


def current_key(namespace: str, uid: str, spec: TaskActionSpec, status: TaskActionStatus) -> str:
    """Return the key of the current attempt, or of the first one before it starts.

    An attempt that an earlier version has started has no recorded key, and keeps the one that its target knows.
    """
    attempt = max(status.attempt or 0, 1)
    base = key_base(namespace, spec)
    if base is None:
        return f"{uid}-{attempt}"
    if status.attempts:
        return status.attempts[-1].idempotency_key or f"{spec.idempotency_key}-{attempt}"
    return f"{base}-{attempt}"


def inline_key(run_uid: str, visit: str) -> str:
    """Return the key of an inline call, the same for every call of the visit."""
    return f"{run_uid}/{visit}-1"
