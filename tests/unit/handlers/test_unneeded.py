"""Only events of actions that this replica can do without are kept from kopf, and only while there are any."""

import json

import pytest

from taskaction.handlers.unneeded import UnneededFilter


class Judge:
    """Finds the actions named `others` unneeded."""

    is_limited = True

    @staticmethod
    def is_unneeded(body: dict[str, dict[str, str]]) -> bool:
        return body["metadata"]["name"] == "others"


def line(kind: str, name: str, of: str = "TaskAction") -> bytes:
    body = {"apiVersion": "taskaction.dev/v1alpha1", "kind": of, "metadata": {"name": name}}
    return json.dumps({"type": kind, "object": body}, separators=(",", ":")).encode()


@pytest.mark.parametrize("kind", ["ADDED", "MODIFIED", "DELETED"])
def test_each_event_of_an_unneeded_action_is_left_out(kind: str) -> None:
    assert UnneededFilter(Judge()).is_unneeded(line(kind, "others"))  # type: ignore[arg-type] - the two names it needs


@pytest.mark.parametrize(
    "event",
    [
        line("ADDED", "mine"),
        line("ADDED", "others", "ActionFlowRun"),
        line("BOOKMARK", "others"),
        b'{"type":"BOOKMARK","object":{"kind":"TaskAction","apiVersion":"x","metadata":{"resourceVersion":"7"}}}',
        b'{"type":"ERROR","object":{"kind":"Status","code":410}}',
        b"",
    ],
    ids=["its own", "another kind", "a bookmark", "a bookmark as it comes", "an error", "an empty line"],
)
def test_everything_else_is_news(event: bytes) -> None:
    assert not UnneededFilter(Judge()).is_unneeded(event)  # type: ignore[arg-type] - the two names it needs


def test_nothing_is_parsed_while_nothing_can_be_unneeded() -> None:
    class Unlimited(Judge):
        is_limited = False

        @staticmethod
        def is_unneeded(body: dict[str, dict[str, str]]) -> bool:
            raise AssertionError(body)

    assert not UnneededFilter(Unlimited()).is_unneeded(line("ADDED", "others"))  # type: ignore[arg-type] - as above
