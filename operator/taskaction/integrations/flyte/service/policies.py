"""What a task's template says of retries and time, in the words of a TaskAction; pure."""

from datetime import timedelta

from flyteidl2.core.literals_pb2 import RetryStrategy
from flyteidl2.core.tasks_pb2 import TaskMetadata
from google.protobuf.duration_pb2 import Duration

from taskaction.cluster.gateway import Body
from taskaction.core.durations import format_duration

SYSTEM_LIMIT = 3
"""How often an attempt that the platform has ended is repeated, beside the task's own retries; Flyte's own number."""
_MOST_RETRIES = 100
_LARGEST_FACTOR = 10.0
_SHORTEST = timedelta(milliseconds=1)
_LONGEST = timedelta(days=3650)


def policies(metadata: TaskMetadata) -> Body:
    """Return ``retryPolicy`` and ``timeouts`` of an action's spec."""
    spec: Body = {"retryPolicy": {"systemLimit": SYSTEM_LIMIT} | _retries(metadata.retries)}
    bounds = {
        "running": metadata.timeout,
        "waiting": metadata.timeouts.queued_timeout,
        "total": metadata.timeouts.deadline,
    }
    timeouts = {name: text for name, bound in bounds.items() if (text := _text(bound))}
    return spec | ({"timeouts": timeouts} if timeouts else {})


def condition_timeout(timeout: Duration) -> Body:
    """Return the part of a condition's spec that ends it as TimedOut if nobody answers in time."""
    text = _text(timeout)
    return {"timeouts": {"attempt": text}} if text else {}


def _retries(strategy: RetryStrategy) -> Body:
    found: Body = {"limit": min(int(strategy.retries), _MOST_RETRIES)}
    initial, longest = _length(strategy.backoff.base), _length(strategy.backoff.cap)
    if initial > timedelta():
        backoff: Body = {
            "initial": format_duration(initial),
            "factor": min(max(float(strategy.backoff.factor), 1.0), _LARGEST_FACTOR),
        }
        found["backoff"] = backoff | ({"max": format_duration(max(initial, longest))} if longest > timedelta() else {})
    return found


def _text(duration: Duration) -> str:
    length = _length(duration)
    return format_duration(length) if length > timedelta() else ""


def _length(duration: Duration) -> timedelta:
    """Return a length that an object can carry; less than nothing, as nothing."""
    seconds = duration.seconds + duration.nanos / 1e9
    if seconds <= 0:
        return timedelta()
    return max(_SHORTEST, _LONGEST if seconds > _LONGEST.total_seconds() else timedelta(seconds=seconds))
