"""Addresses of requests: whatever a name contains, it stays one part of the path or one value of the query."""

from urllib.parse import parse_qsl, unquote

from hypothesis import given
from hypothesis import strategies as st

from taskaction.cluster.api_calls import ApiCall, query_string
from taskaction.cluster.gateway import TASK_ACTIONS

TEXTS = st.text(st.characters(codec="utf-8"), min_size=1)


@given(namespace=TEXTS, name=TEXTS)
def test_names_are_parts_of_the_path(namespace: str, name: str) -> None:
    path = ApiCall("GET", "get", TASK_ACTIONS, namespace, name, "status").path
    root = f"/apis/{TASK_ACTIONS.group}/{TASK_ACTIONS.version}/namespaces/"
    parts = path.removeprefix(root).split("/")
    assert path.startswith(root)
    assert [unquote(part) for part in parts] == [namespace, TASK_ACTIONS.plural, name, "status"]
    assert path.isascii()
    assert path.isprintable()
    assert not {" ", "?", "#"} & set(path)


@given(values=st.dictionaries(st.sampled_from(["fieldManager", "labelSelector", "continue"]), TEXTS))
def test_values_are_values_of_the_query(values: dict[str, str]) -> None:
    assert dict(parse_qsl(query_string(values).removeprefix("?"), keep_blank_values=True)) == values
