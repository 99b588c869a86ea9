"""The server that the http examples call."""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from demo_server import TOKEN, DemoServer


@pytest.fixture
def server() -> Iterator[DemoServer]:
    with DemoServer(0) as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


def ask(server: DemoServer, path: str, body: Any = None, token: str | None = TOKEN) -> tuple[int, Any]:
    request = urllib.request.Request(f"http://127.0.0.1:{server.server_port}{path}")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    if body is not None:
        request.data = json.dumps(body).encode()
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)


def test_it_echoes_and_counts_by_path(server: DemoServer) -> None:
    assert ask(server, "/orders?x=1", {"a": 1})[1] == {
        "method": "POST",
        "path": "/orders",
        "count": 1,
        "echo": {"a": 1},
    }
    assert ask(server, "/orders")[1]["count"] == 2
    assert ask(server, "/counts", token=None) == (200, {"/orders": 2})


@pytest.mark.parametrize("token", [None, "wrong"])
def test_it_refuses_without_the_token_and_counts_no_such_request(server: DemoServer, token: str | None) -> None:
    assert ask(server, "/orders", {}, token)[0] == 401
    assert server.counts() == {}


def test_it_refuses_the_first_requests_on_a_failing_path(server: DemoServer) -> None:
    assert [ask(server, "/fail/2/times")[0] for _ in range(4)] == [503, 503, 200, 200]
