"""The index of rows: what it holds after any order of changes, and whom it tells of them."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskaction.services.console.errors import PageError
from taskaction.services.console.filters import RowFilter
from taskaction.services.console.rows import ObjectRow, RowIndex
from taskaction.services.console.scopes import ViewScope

KINDS = ("TaskAction", "ActionFlowRun")


def body(name: str = "one", version: str = "1", **parts: Any) -> dict[str, Any]:
    metadata = {
        "name": name, "namespace": "ns", "uid": f"uid-{name}", "resourceVersion": version,
        "creationTimestamp": "2026-12-01T03:00:00Z",
    }  # fmt: skip
    return {"metadata": metadata | parts.pop("metadata", {}), "spec": {"executor": "noop"}} | parts


def row(name: str = "one", version: str = "1", **fields: Any) -> ObjectRow:
    return replace(ObjectRow.from_body("TaskAction", body(name, version)), **fields)


@pytest.mark.parametrize(
    ("spec", "runner"),
    [
        ({"executor": "http"}, "http"),
        ({"providerRef": {"name": "ci"}}, "ci"),
        ({"flowRef": {"name": "release"}}, "release"),
    ],
)
def test_a_row_names_what_runs_it(spec: dict[str, Any], runner: str) -> None:
    assert ObjectRow.from_body("TaskAction", body(spec=spec)).runner == runner


def test_a_row_has_no_status_that_its_object_lacks() -> None:
    found = ObjectRow.from_body("TaskAction", body())
    assert (found.phase, found.reason, found.started, found.attempt, found.has_ended) == ("Queued", "", "", 0, False)


def test_a_message_is_one_short_line() -> None:
    found = ObjectRow.from_body("TaskAction", body(status={"phase": "Failed", "message": "a\n b" + "x" * 5_000}))
    assert found.message.startswith("a bx")
    assert len(found.message) == 240


CHANGES = st.lists(
    st.tuples(st.sampled_from("abcd"), st.integers(1, 9), st.sampled_from(("", "a", "b")), st.booleans()), max_size=40
)


@given(CHANGES)
def test_the_index_holds_the_newest_of_each_object_whatever_the_order(
    changes: Iterable[tuple[str, int, str, bool]],
) -> None:
    index, told, model = RowIndex(), [], {}
    index.subscribe(lambda old, new: told.append((old, new)))
    for name, version, parent, removed in changes:
        if removed:
            index.remove(f"uid-{name}")
            model.pop(name, None)
            continue
        wanted = row(
            name, str(version), parent=parent and f"uid-{parent}", created=f"2026-12-01T03:00:0{ord(name) % 3}Z"
        )
        if name not in model or int(model[name].version) < version:
            model[name] = wanted
        index.put(wanted)
    newest_first = sorted(model.values(), key=lambda one: one.position, reverse=True)
    assert list(index) == newest_first
    for place, one in enumerate(newest_first):
        assert list(index.before(one.position)) == newest_first[place + 1 :]
        assert index.get(one.uid) == one
        children = sorted(
            (child for child in model.values() if child.parent == one.uid), key=lambda child: child.position
        )
        assert index.children(one.uid) == children
    seen: dict[str, ObjectRow] = {}
    for old, new in told:
        uid = (old or new).uid  # type: ignore[union-attr]  # one of both is there
        assert seen.get(uid) == old
        seen.pop(uid, None) if new is None else seen.update({uid: new})
    assert sorted(one.name for one in seen.values()) == sorted(model)


def test_a_listener_that_has_left_is_not_told() -> None:
    index, told = RowIndex(), []
    leave = index.subscribe(lambda old, new: told.append(new))
    leave()
    index.put(row())
    assert told == []


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ({"": frozenset(KINDS)}, True),
        ({"": frozenset({"ActionFlowRun"})}, False),
        ({"ns": frozenset({"TaskAction"})}, True),
        ({"ns": frozenset({"ActionFlowRun"})}, False),
        ({"other": frozenset(KINDS)}, False),
        ({}, False),
    ],
)
def test_a_scope_allows_kinds_by_namespace(scope: dict[str, frozenset[str]], expected: bool) -> None:
    assert ViewScope(scope).allows(row()) is expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, True),
        ({"phase": "Queued"}, True),
        ({"phase": "Failed"}, False),
        ({"kind": "ActionFlowRun"}, False),
        ({"runner": "noop", "label": "team=a"}, True),
        ({"label": "team=b"}, False),
        ({"q": "ON late"}, True),
        ({"q": "on early"}, False),
        ({"reason": "Limit"}, False),
    ],
)
def test_a_filter_combines_its_parts(query: dict[str, str], expected: bool) -> None:
    found = row(message="Too LATE", labels=(("team", "a"),))
    assert RowFilter.parse(query.items()).matches(found) is expected


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "namespace": st.sampled_from(("a", "b c", "a,b")),
            "phase": st.sampled_from(("Failed", "Running")),
            "kind": st.sampled_from(KINDS),
            "runner": st.text(min_size=1, max_size=20),
            "q": st.text(min_size=1, max_size=20),
            "label": st.sampled_from(("team=a", "x/y=", "a=b=c")),
            "before": st.just("2026-12-01T03:00:00Z~one~uid-one"),
            "columns": st.sampled_from(("message", "created")),
        },
    )
)
def test_an_address_reads_back_as_the_same_filter(query: dict[str, str]) -> None:
    found = RowFilter.parse(query.items())
    again = urlsplit(found.query(before=found.before)).query
    assert RowFilter.parse(parse_qsl(again, keep_blank_values=True)) == found


@pytest.mark.parametrize(
    "query",
    [("phase", "Done"), ("kind", "Pod"), ("nonsense", "1"), ("label", "a"), ("before", "a~b"), ("q", "x" * 257),
     ("columns", "secret"), ("namespace", " ".join(map(str, range(101))))],
)  # fmt: skip
def test_an_invalid_part_is_named(query: tuple[str, str]) -> None:
    with pytest.raises(PageError, match=f"^{query[0]}: "):
        RowFilter.parse([query])


def test_phases_are_toggled() -> None:
    found = RowFilter.parse([("phase", "Failed"), ("before", "a~b~c")])
    assert found.toggle_phase("Failed") == "/actions"
    assert found.toggle_phase("Aborted") == "/actions?phase=Aborted&phase=Failed"
