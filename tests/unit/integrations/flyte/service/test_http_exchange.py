"""How answers leave the server: complete ones with their length, streams as they come."""

from typing import Any

import pytest

from taskaction.integrations.flyte.service.http_exchange import SizedSender

START = {"type": "http.response.start", "status": 200, "headers": [(b"vary", b"Accept-Encoding")]}
LENGTH = b"content-length"


def body(data: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


async def sent(*messages: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        found.append(message)

    sized = SizedSender(send)
    for message in messages:
        await sized(message)
    return found


@pytest.mark.parametrize("data", [b"", b"an error"])
async def test_a_complete_answer_says_how_long_it_is(data):
    start, end = await sent(START, body(data))
    assert dict(start["headers"])[LENGTH] == str(len(data)).encode()
    assert end == body(data)


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param([START, body(b"one", more=True), body(b"two")], id="a stream"),
        pytest.param([START, body(b"", more=True), body(b"")], id="a stream that ends at once"),
        pytest.param(
            [START | {"trailers": True}, body(b"one"), {"type": "http.response.trailers", "headers": []}], id="gRPC"
        ),
    ],
)
async def test_what_is_not_complete_is_sent_as_it_comes(messages):
    assert await sent(*messages) == messages


async def test_headers_wait_for_the_first_part_and_no_longer():
    assert await sent(START) == []
    assert await sent(START, body(b"one", more=True)) == [START, body(b"one", more=True)]
