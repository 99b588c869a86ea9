"""What the API server refuses is told by the code that says whose fault it is, and whether to try again."""

import pytest
from connectrpc.code import Code

from taskaction.cluster.responses import error_from_response
from taskaction.integrations.flyte.service.error_codes import to_connect_error

PLAIN = '{{"kind": "Status", "reason": "{}", "message": "{}", "code": {}}}'
EXHAUSTED, OVER = Code.RESOURCE_EXHAUSTED, Code.FAILED_PRECONDITION


@pytest.mark.parametrize(
    ("status", "reason", "message", "code"),
    [
        (403, "Forbidden", 'User "ada" cannot create resource', Code.PERMISSION_DENIED),
        (403, "Forbidden", "a is forbidden: exceeded quota: q, requested: count/a=1, used: count/a=1", EXHAUSTED),
        (403, "Forbidden", "a is forbidden: status unknown for quota: q, resources: count/a", EXHAUSTED),
        (403, "Forbidden", "a is forbidden: unable to create new content because it is being terminated", OVER),
        (404, "NotFound", 'namespaces "flyte" not found', Code.NOT_FOUND),
        (409, "AlreadyExists", "a already exists", Code.ALREADY_EXISTS),
        (409, "Conflict", "the object has been modified", Code.ABORTED),
        (413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728", Code.INVALID_ARGUMENT),
        (422, "Invalid", "spec: Invalid value", Code.INVALID_ARGUMENT),
        (429, "TooManyRequests", "try again", Code.RESOURCE_EXHAUSTED),
        (500, "InternalError", "etcdserver: request timed out", Code.UNAVAILABLE),
        (500, "", "etcdserver: request is too large", Code.INVALID_ARGUMENT),
        (503, "ServiceUnavailable", "Resource kind TaskAction not found", Code.UNAVAILABLE),
    ],
)
def test_each_refusal_has_its_code(status, reason, message, code):
    content = PLAIN.format(reason, message.replace('"', '\\"'), status).encode()
    found = to_connect_error(error_from_response("create", status, content, {}))
    assert (found.code, found.message) == (code, message)
