"""One manifest of each kind with every field of its spec and status set, to show that nothing is lost or unwritable."""

from typing import Any

Body = dict[str, Any]

MOMENT = "2026-01-31T09:30:00.123Z"
LATER = "2026-01-31T09:31:00.456Z"
RETRY: Body = {
    "limit": 3,
    "backoff": {"initial": "1s", "factor": 1.5, "max": "1m30s", "jitter": 0.25},
    "retryOn": ["Error", "Timeout", "RateLimited", "Interrupted", "System"],
}
TIMEOUTS: Body = {"queued": "1h", "attempt": "10m", "total": "2h30m"}
ERROR: Body = {"code": "HttpError", "kind": "System", "message": "503 from the service; try later"}

ACTION_SPEC: Body = {
    "executor": "noop",
    "parameters": {"text": "a", "number": 1, "half": 0.5, "yes": True, "list": [1, {"b": "c"}], "empty": {}},
    "parametersFrom": [
        {"parameter": "auth.token", "secretKeyRef": {"name": "s", "key": "k", "optional": True}, "format": "Json"},
        {"parameter": "region", "configMapKeyRef": {"name": "c", "key": "k", "optional": False}, "format": "Text"},
    ],
    "parentRef": {"kind": "TaskAction", "name": "parent", "uid": "1-2-3"},
    "childPolicy": "Abort",
    "idempotencyKey": "once",
    "notAfter": "2999-01-31T09:30:00.123Z",
    "partitionKey": "shop",
    "priority": 5,
    "timeouts": TIMEOUTS,
    "retryPolicy": RETRY,
    "runAs": {"serviceAccountName": "default"},
    "suspend": True,
    "signal": {"value": {"approved": True}},
    "ttlSecondsAfterFinished": 60,
}
"""Without abort, which cannot be taken back, and without providerRef, which excludes executor."""

ACTION_STATUS: Body = {
    "phase": "Failed",
    "reason": "HttpError",
    "message": "503 from the service",
    "conditions": [
        {
            "type": "Finished",
            "status": "True",
            "reason": "HttpError",
            "message": "503",
            "lastTransitionTime": LATER,
            "observedGeneration": 1,
        }
    ],
    "observedGeneration": 1,
    "attempt": 1,
    "attempts": [
        {
            "number": 1,
            "phase": "Failed",
            "startedAt": MOMENT,
            "initializingAt": MOMENT,
            "runningAt": MOMENT,
            "endedAt": LATER,
            "error": ERROR,
            "externalId": "job-1",
        }
    ],
    "error": ERROR,
    "output": {"partial": [1, 2]},
    "outputUri": "https://store.example.com/1",
    "outputDigest": "sha256:" + "0" * 64,
    "outputSize": 40_000,
    "address": {"path": "/debug", "url": "https://debug.example.com/1", "cluster": "main"},
    "queuedAt": MOMENT,
    "cacheStatus": "Miss",
    "progress": {
        "percent": 50,
        "message": "half of it",
        "label": "Building",
        "log": [{"number": 1, "at": MOMENT, "level": "WARN", "message": "half of it"}],
        "output": {"jobId": 7},
    },
    "links": [{"name": "log", "url": "https://logs.example.com/1"}],
    "externalId": "job-1",
    "partitionKey": "shop-1",
    "claim": {"holder": "replica-1", "epoch": 7, "at": MOMENT, "parametersHash": "0123456789abcdef"},
    "history": [
        {"phase": "Running", "at": MOMENT, "reason": "Started", "message": "attempt 1"},
        {"phase": "Failed", "at": LATER, "reason": "HttpError", "message": "503"},
    ],
    "startedAt": MOMENT,
    "finishedAt": LATER,
    "nextAttemptAt": LATER,
    "suspendedAt": MOMENT,
    "suspendedSeconds": 1.5,
    "systemFailures": 1,
}

SECRET_REF: Body = {"name": "target", "key": "hook"}


def webhook(secret: Body) -> Body:
    """Give the webhook settings of a provider whose sender signs with `secret`."""
    return {
        "authentication": {
            "hmac": {
                "secretKeyRef": secret,
                "header": "X-Hub-Signature-256",
                "algorithm": "SHA256",
                "encoding": "Hex",
                "prefix": "sha256=",
                "timestamp": {"header": "X-Sent-At", "tolerance": "5m", "signed": "{timestamp}.{body}"},
            }
        },
        "externalIdPath": "job.id",
        "deliveryIdHeader": "X-GitHub-Delivery",
        "filter": {"path": "job.state", "equals": ["done", "failed"]},
        "bodyPath": "job",
        "maxPending": 100,
        "ttlSeconds": 600,
    }


PROVIDER_SPEC: Body = {
    "executor": "noop",
    "config": {"url": "https://example.com", "retries": 2},
    "inputSchema": {"type": "object", "properties": {"a": {"type": "string"}}},
    "outputSchema": {"type": "object"},
    "partitionKeyPath": "shop.name",
    "sharding": "Provider",
    "limits": {
        "maxConcurrent": 10,
        "maxConcurrentPerPartition": 2,
        "maxQueued": 100,
        "whenFull": "Refuse",
        "rate": {"requests": 60, "per": "1m", "burst": 5},
    },
    "overlapPolicy": "Replace",
    "poll": {"initial": "500ms", "factor": 2.0, "max": "10m"},
    "webhook": webhook(SECRET_REF),
    "defaults": {
        "retryPolicy": RETRY,
        "timeouts": TIMEOUTS,
        "ttlSecondsAfterFinished": 3600,
        "runAs": {"serviceAccountName": "default"},
    },
}
CLUSTER_PROVIDER_SPEC: Body = PROVIDER_SPEC | {
    "webhook": webhook(SECRET_REF | {"namespace": "default"}),
    "allowedNamespaces": ["default", "team-*"],
}

PROVIDER_STATUS: Body = {
    "conditions": [
        {
            "type": "Ready",
            "status": "True",
            "reason": "Ready",
            "message": "ready",
            "lastTransitionTime": MOMENT,
            "observedGeneration": 1,
        }
    ],
    "observedGeneration": 1,
    "description": "does nothing",
    "queued": 3,
    "running": 2,
    "rateLimitResetAt": LATER,
    "rateUsedUntil": LATER,
}

EVENT_SPEC: Body = {
    "target": {"name": "subject", "uid": "1-2-3", "attempt": 1},
    "correlationKey": "job-1",
    "scope": {"providerRef": {"kind": "ClusterActionProvider", "name": "p"}},
    "type": "Webhook",
    "payload": {"state": "done", "parts": [1, 2]},
    "content": {"size": 3, "data": "eJxLTEoGAAJNASc="},
    "sender": "system:serviceaccount:shop:hook",
    "receivedAt": MOMENT,
    "ttlSeconds": 60,
}
FLOW_SPEC: Body = {
    "definition": {
        "StartAt": "One",
        "States": {"One": {"Type": "Pass", "Parameters": {"x.$": "$.a", "y": [None, 1.5, {}]}, "End": True}},
    },
    "inputSchema": {"type": "object", "required": ["a"]},
    "strict": True,
    "title": "A flow",
    "description": "What it is for.",
}
FLOW_STATUS: Body = {
    "conditions": [
        {
            "type": "Valid",
            "status": "False",
            "reason": "InvalidDefinition",
            "message": "$.States.One.Next: unknown state 'Two'",
            "lastTransitionTime": LATER,
            "observedGeneration": 1,
        }
    ],
    "observedGeneration": 1,
    "problems": [{"path": "$.States.One.Next", "message": "unknown state 'Two'"}],
}
RUN_SPEC: Body = {
    "flowRef": {"name": "f"},
    "input": {"a": 1, "b": [None, {}]},
    "label": "the first",
    "tags": ["nightly", "two words"],
    "runAs": {"serviceAccountName": "default"},
    "tokens": {"User": {"secretKeyRef": {"name": "tokens", "key": "user"}}},
    "timeouts": {"total": "1h"},
    "parentRef": {"kind": "TaskAction", "name": "above", "uid": "1-2-3"},
    "suspend": False,
    "ttlSecondsAfterFinished": 60,
}
RUN_STATUS: Body = {
    "phase": "Failed",
    "reason": "FlowFailed",
    "message": "ActionTimeout: it took too long",
    "conditions": [
        {
            "type": "Finished",
            "status": "True",
            "reason": "FlowFailed",
            "message": "ActionTimeout: it took too long",
            "lastTransitionTime": LATER,
            "observedGeneration": 1,
        }
    ],
    "observedGeneration": 1,
    "states": [{"name": "One", "visit": "3.0.2", "action": "run-3-0-2", "until": LATER}],
    "visits": 3,
    "progress": {"percent": 50, "message": "1 of 2 items"},
    "output": {"a": [1, None]},
    "outputUri": "s3://bucket/output",
    "error": {
        "code": "ActionTimeout",
        "message": "it took too long",
        "stateName": "One",
        "cause": {"status": "ACTIVE"},
    },
    "log": [{"time": MOMENT, "code": "FlowStarted", "details": {"input": {"a": 1}}}],
    "entries": 7,
    "flow": {"name": "f", "uid": "1-2-3", "generation": 4, "hash": "abc", "definition": {"StartAt": "One"}},
    "state": {"root": {"at": "One"}},
    "privateState": "abc",
    "stateUri": "s3://bucket/state",
    "claim": {"holder": "replica-1", "epoch": 3, "at": MOMENT},
    "signalled": "abc",
    "startedAt": MOMENT,
    "finishedAt": LATER,
    "suspendedAt": MOMENT,
}
