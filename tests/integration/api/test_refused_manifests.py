"""Manifests that the API server refuses at once, each with a message that names the field and the mend."""

import pytest

from cluster.kubectl import Kubectl
from support.refusals import assert_says, manifest, refusal

LONG = "x" * 300
NAMED = {"executor": "noop"}
A_LENGTH = "longer than 0s and shorter than 292 years; use e.g. 90s, 1m30s or 2h"
AN_AGE = "must be between the years 1970 and 3000; use e.g. 2026-01-31T09:30:00Z"
SECRET = {"name": "s", "key": "k"}
BAD_ACTIONS = {
    "nothing to execute": ({}, ("spec", "set exactly one of executor and providerRef")),
    "executor and provider": (
        {"executor": "noop", "providerRef": {"name": "p"}},
        ("spec", "set exactly one of executor and providerRef"),
    ),
    "an executor in capitals": ({"executor": "HTTP"}, ("spec.executor", "should match '^[a-z0-9]")),
    "an empty executor": ({"executor": ""}, ("spec.executor", "should be at least 1 chars long")),
    "an executor that is too long": ({"executor": "e" * 64}, ("spec.executor", "Too long", "63")),
    "an executor that is a number": ({"executor": 7}, ("spec.executor", "must be of type string")),
    "parameters that are a list": (NAMED | {"parameters": [1]}, ("spec.parameters", "must be of type object")),
    "a parameter from nowhere": (
        NAMED | {"parametersFrom": [{"parameter": "a"}]},
        ("spec.parametersFrom[0]", "set exactly one of secretKeyRef and configMapKeyRef"),
    ),
    "a parameter from two places": (
        NAMED | {"parametersFrom": [{"parameter": "a", "secretKeyRef": SECRET, "configMapKeyRef": SECRET}]},
        ("spec.parametersFrom[0]", "set exactly one of secretKeyRef and configMapKeyRef"),
    ),
    "a parameter twice": (
        NAMED | {"parametersFrom": [{"parameter": "a", "secretKeyRef": SECRET}] * 2},
        ("spec.parametersFrom[1]", "Duplicate value"),
    ),
    "a parameter's path with a hole": (
        NAMED | {"parametersFrom": [{"parameter": "a..b", "secretKeyRef": SECRET}]},
        ("spec.parametersFrom[0].parameter", "should match"),
    ),
    "a key that climbs": (
        NAMED | {"parametersFrom": [{"parameter": "a", "secretKeyRef": {"name": "s", "key": "../k"}}]},
        ("spec.parametersFrom[0].secretKeyRef.key", "should match"),
    ),
    "a format of another word": (
        NAMED | {"parametersFrom": [{"parameter": "a", "secretKeyRef": SECRET, "format": "Yaml"}]},
        ("spec.parametersFrom[0].format", '"Text", "Json"'),
    ),
    "parameters from too many places": (
        NAMED | {"parametersFrom": [{"parameter": f"p{n}", "secretKeyRef": SECRET} for n in range(17)]},
        ("spec.parametersFrom", "at most 16 items"),
    ),
    "a field that is misspelt": (NAMED | {"paramters": {}}, ("unknown field", "spec.paramters")),
    "a provider without a name": ({"providerRef": {}}, ("spec.providerRef.name", "Required value")),
    "a provider of another kind": (
        {"providerRef": {"name": "p", "kind": "Provider"}},
        ("spec.providerRef.kind", '"ActionProvider", "ClusterActionProvider"'),
    ),
    "a provider with a slash": ({"providerRef": {"name": "team/p"}}, ("spec.providerRef.name", "should match")),
    "a parent without a name": (NAMED | {"parentRef": {"uid": "1"}}, ("spec.parentRef.name", "Required value")),
    "a parent that is a pod": (
        NAMED | {"parentRef": {"kind": "Pod", "name": "p"}},
        ("spec.parentRef.kind", '"TaskAction", "ActionFlowRun"'),
    ),
    "a parent that is the action itself": (
        NAMED | {"parentRef": {"name": "subject"}},
        ("spec.parentRef.name", "an action cannot be its own parent: name another parent"),
    ),
    "a child policy of another word": (
        NAMED | {"childPolicy": "Kill"},
        ("spec.childPolicy", '"Keep", "Abort", "AbortOnFailure"'),
    ),
    "an empty idempotency key": (NAMED | {"idempotencyKey": ""}, ("spec.idempotencyKey", "at least 1 chars")),
    "an idempotency key that is too long": (NAMED | {"idempotencyKey": LONG}, ("spec.idempotencyKey", "Too long")),
    "an empty partition key": (NAMED | {"partitionKey": ""}, ("spec.partitionKey", "at least 1 chars")),
    "a partition key that is too long": (NAMED | {"partitionKey": LONG}, ("spec.partitionKey", "Too long", "253")),
    "a date without a time": (NAMED | {"notAfter": "2026-01-01"}, ("spec.notAfter", "must be of type date-time")),
    "a time without a zone": (
        NAMED | {"notAfter": "2026-01-01T10:00:00"},
        ("spec.notAfter", "must be of type date-time"),
    ),
    "a leap second": (NAMED | {"notAfter": "2026-12-31T23:59:60Z"}, ("spec.notAfter", "must be of type date-time")),
    "a day that is not in the calendar": (NAMED | {"notAfter": "2026-02-30T10:00:00Z"}, ("spec.notAfter", "date-time")),
    "a year that no datetime holds": (NAMED | {"notAfter": "0000-01-01T00:00:00Z"}, ("spec.notAfter", AN_AGE)),
    "a year that leaves the calendar in UTC": (
        NAMED | {"notAfter": "9999-12-31T23:59:59-23:00"},
        ("spec.notAfter", AN_AGE),
    ),
    "a priority too high": (NAMED | {"priority": 1001}, ("spec.priority", "less than or equal to 1000")),
    "a priority too low": (NAMED | {"priority": -1001}, ("spec.priority", "greater than or equal to -1000")),
    "a timeout without a unit": (NAMED | {"timeouts": {"attempt": "30"}}, ("spec.timeouts.attempt", "h|m|s|ms")),
    "a timeout in days": (NAMED | {"timeouts": {"total": "2d"}}, ("spec.timeouts.total", "h|m|s|ms")),
    "a timeout that is a number": (NAMED | {"timeouts": {"queued": 30}}, ("spec.timeouts.queued", "type string")),
    "a negative timeout": (NAMED | {"timeouts": {"queued": "-5s"}}, ("spec.timeouts.queued", "h|m|s|ms")),
    "a timeout of nothing": (
        NAMED | {"timeouts": {"attempt": "0s"}},
        ("spec.timeouts.attempt", A_LENGTH),
    ),
    "a timeout of millions of years": (
        NAMED | {"timeouts": {"total": "9" * 20 + "h"}},
        ("spec.timeouts.total", A_LENGTH),
    ),
    "a timeout with a line break": (NAMED | {"timeouts": {"total": "5s\n"}}, ("spec.timeouts.total", "should match")),
    "a retry limit below nothing": (
        NAMED | {"retryPolicy": {"limit": -1}},
        ("spec.retryPolicy.limit", "greater than or equal to 0"),
    ),
    "a retry limit without end": (
        NAMED | {"retryPolicy": {"limit": 101}},
        ("spec.retryPolicy.limit", "less than or equal to 100"),
    ),
    "a class of failure unknown": (
        NAMED | {"retryPolicy": {"retryOn": ["Everything"]}},
        ("spec.retryPolicy.retryOn[0]", '"Error", "Timeout", "RateLimited", "Interrupted", "System"'),
    ),
    "a class of failure named twice": (
        NAMED | {"retryPolicy": {"retryOn": ["Error", "Error"]}},
        ("spec.retryPolicy.retryOn[1]", "Duplicate value"),
    ),
    "a backoff that shrinks": (
        NAMED | {"retryPolicy": {"backoff": {"factor": 0.5}}},
        ("spec.retryPolicy.backoff.factor", "greater than or equal to 1"),
    ),
    "a jitter beyond the whole": (
        NAMED | {"retryPolicy": {"backoff": {"jitter": 2}}},
        ("spec.retryPolicy.backoff.jitter", "less than or equal to 1"),
    ),
    "a backoff that ends before it begins": (
        NAMED | {"retryPolicy": {"backoff": {"initial": "10s", "max": "5s"}}},
        ("spec.retryPolicy.backoff", "max must be at least as long as initial: raise max or lower initial"),
    ),
    "a first backoff of millions of years": (
        NAMED | {"retryPolicy": {"backoff": {"initial": "9" * 20 + "h"}}},
        ("spec.retryPolicy.backoff.initial", "must be shorter than 292 years; use e.g. 90s, 1m30s or 2h"),
    ),
    "an account without a name": (NAMED | {"runAs": {}}, ("spec.runAs.serviceAccountName", "Required value")),
    "an account of another namespace": (
        NAMED | {"runAs": {"serviceAccountName": "system:serviceaccount:a:b"}},
        ("spec.runAs.serviceAccountName", "should match"),
    ),
    "a signal without a value": (NAMED | {"signal": {}}, ("spec.signal.value", "Required value")),
    "a signal that is nothing": (NAMED | {"signal": {"value": None}}, ("spec.signal.value", "Required value")),
    "a signal that is no object": (NAMED | {"signal": "yes"}, ("spec.signal in body", "must be of type object")),
    "an abort that is no object": (NAMED | {"abort": True}, ("spec.abort in body", "must be of type object")),
    "a suspension in words": (NAMED | {"suspend": "yes"}, ("spec.suspend", "must be of type boolean")),
    "a negative time to live": (
        NAMED | {"ttlSecondsAfterFinished": -1},
        ("spec.ttlSecondsAfterFinished", "greater than or equal to 0"),
    ),
    "an abort without end": (NAMED | {"abort": {"reason": "x" * 1025}}, ("spec.abort.reason", "Too long", "1024")),
}


@pytest.mark.parametrize(("spec", "parts"), BAD_ACTIONS.values(), ids=BAD_ACTIONS)
def test_a_bad_action_is_refused(shared: Kubectl, spec: dict, parts: tuple[str, ...]) -> None:
    assert_says(refusal(shared, manifest("TaskAction", spec)), parts)


@pytest.mark.parametrize("spec", [{}, {"spec": None}], ids=["left out", "null"])
def test_an_action_without_a_spec_is_told_so(shared: Kubectl, spec: dict) -> None:
    body = manifest("TaskAction", {})
    del body["spec"]
    assert_says(refusal(shared, body | spec), ("spec", "Required value"))


def test_a_spec_that_is_no_object_is_told_so(shared: Kubectl) -> None:
    assert_says(refusal(shared, manifest("TaskAction", {}) | {"spec": "noop"}), ("spec", "must be of type object"))
