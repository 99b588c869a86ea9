"""What a run asks for and this service has no meaning for: refused, or named in the answer; pure."""

from collections.abc import Callable, Mapping

from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.task.run_pb2 import RunSpec

WARNING_HEADER = "taskaction-warning"
"""Header of an answer with what of the request has no effect."""

_REFUSED: Mapping[str, tuple[Callable[[RunSpec], bool], str]] = {
    "cluster_pool": (
        lambda spec: bool(spec.cluster_pool),
        "there are no cluster pools; map a queue to an ActionProvider by TASKACTION_ACTIONS_QUEUES",
    ),
    "notification_rules": (
        lambda spec: bool(spec.notification_rule_name or spec.notification_rules.rules),
        "nobody is notified; use alerts on the metrics of the operator, or a last task that sends the message",
    ),
    "max_action_concurrency": (
        lambda spec: spec.max_action_concurrency > 0,
        "use a queue, which TASKACTION_ACTIONS_QUEUES maps to an ActionProvider with limits.maxConcurrent",
    ),
    "recover": (lambda spec: spec.HasField("recover"), "earlier runs are not recovered; start a new run"),
}
"""Fields whose loss would change what happens: whether one is set, and what to do instead."""


def refuse_meaningless(spec: RunSpec) -> None:
    """Raise ``ConnectError`` if a field is set that changes what happens in Flyte, and would not here."""
    for name, (is_set, remedy) in _REFUSED.items():
        if is_set(spec):
            raise ConnectError(Code.INVALID_ARGUMENT, f"run_spec.{name}: not supported: {remedy}")


def warnings(spec: RunSpec) -> tuple[str, ...]:
    """Return what of a run has no effect, and does no harm."""
    overwrites = spec.overwrite_cache or spec.cache_config.overwrite_cache
    return ("run_spec.overwrite_cache has no effect: there is no task cache, so every task runs",) if overwrites else ()
