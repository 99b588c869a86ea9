"""What `make fuzz` feeds with any bytes: each target may refuse them by its own errors, and nothing else may happen."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import protovalidate
import yaml
from connectrpc.errors import ConnectError
from flyteidl2.actions.actions_service_pb2 import EnqueueRequest
from google.protobuf.message import DecodeError

from taskaction.core.yaml import load_documents
from taskaction.flows.budget import Budget
from taskaction.flows.errors import ExpressionError, RunTimeError
from taskaction.flows.expressions import parse_expression
from taskaction.flows.scope import EvaluationScope
from taskaction.flows.validation import validate_definition
from taskaction.integrations.flyte.service.manifests import TaskRules, build_manifest
from taskaction.integrations.flyte.service.places import ActionLocator
from taskaction.integrations.flyte.service.run_specs import refuse_meaningless
from taskaction.plugin import WebhookRefusedError
from taskaction.plugin.json_schema import compile_schema, is_cheap_schema, nesting_problem
from taskaction.schedules.errors import ScheduleError
from taskaction.schedules.times import Cron
from taskaction.services.webhooks.envelopes import pack_body, pack_bytes

CORPUS = Path(__file__).parents[1] / "data" / "fuzz"
PLACES = ActionLocator("default", {})
START = datetime(2026, 1, 1, tzinfo=UTC)
SCOPE = {"n": 3, "s": "text", "l": [1, 2, 3], "o": {"a": {"b": [1, None, True]}}}


def webhook(data: bytes) -> None:
    """Read the body of a webhook request, and make what is stored of it."""
    body = _json(data)
    with suppress(WebhookRefusedError):
        pack_body({"content-type": "application/json"}, body, frozenset())
        pack_bytes({"content-type": "application/json"}, body, data, frozenset())


def rpc(data: bytes) -> None:
    """Read and validate a call of the Actions service, and make the object of its action."""
    with suppress(DecodeError, protovalidate.ValidationError, ConnectError):
        request = EnqueueRequest.FromString(data)
        protovalidate.validate(request)
        refuse_meaningless(request.run_spec)
        place = PLACES.of(request.action.action_id)
        build_manifest(place, request.action, None, request.run_spec, TaskRules(), {"template": "t"})


def definition(data: bytes) -> None:
    """Validate a flow definition."""
    validate_definition(_json(data), strict=True)


def expression(data: bytes) -> None:
    """Parse and evaluate an expression of a flow."""
    with suppress(ExpressionError, RunTimeError):
        parse_expression(data.decode(errors="replace")).evaluate(EvaluationScope(SCOPE, {}, Budget()), "seed")


def schema(data: bytes) -> None:
    """Compile a JSON Schema that the event loop compiles, and check a value by it."""
    found = _json(data)
    if not isinstance(found, dict):
        return
    with suppress(ValueError):
        if is_cheap_schema(found, "schema"):
            checker = compile_schema(found, "schema")
            if checker is not None and checker.is_cheap_for(SCOPE):
                checker.problem(SCOPE)


def manifests(data: bytes) -> None:
    """Read a file of YAML as the command line does."""
    with suppress(yaml.YAMLError, RecursionError):
        load_documents(data.decode(errors="replace"))


def cron(data: bytes) -> None:
    """Read a cron expression, and a time zone after a semicolon, and compute times."""
    expression, _, zone = data.decode(errors="replace").partition(";")
    with suppress(ScheduleError):
        times = Cron(expression, zone or "UTC")
        following = times.next(START)
        assert following is not None
        assert times.latest(1, START, following) == [following]


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    one.__name__: one for one in (webhook, rpc, definition, expression, schema, manifests, cron)
}


def _json(data: bytes) -> Any:
    """Return the JSON in some bytes; None where there is none, or it is nested too deeply."""
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return None if nesting_problem(found, "it") is not None else found
