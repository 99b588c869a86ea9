"""What pages insert, and what browsers may send."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from taskaction.services.console import html
from taskaction.services.console.acts import possible_acts
from taskaction.services.console.bars import WIDTH, draw_bars
from taskaction.services.console.browsers import BrowserRules, comes_from_elsewhere
from taskaction.services.console.errors import PageError
from taskaction.services.console.html import Pages, format_span, show_controls, web_url
from taskaction.services.console.server import local_path
from taskaction.services.console.viewers import SessionStore, Viewer
from taskaction.testing.clock import FakeClock

START = datetime(2026, 12, 1, tzinfo=UTC)


@given(st.text())
def test_inserted_text_controls_neither_page_nor_reader(text: str) -> None:
    shown = show_controls(text)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]", shown)
    assert show_controls(Markup("<b>")) == "<b>"


@pytest.mark.parametrize(
    ("url", "expected"),
    [("https://example.org/a?b", True), ("http://x", True), ("javascript:alert(1)", False), ("//x", False),
     ("data:text/html,x", False), ("https:", False), ("JavaScript:x", False), ("http://[", False)],
)  # fmt: skip
def test_a_link_leads_to_the_web_only(url: str, expected: bool) -> None:
    assert web_url(url) == (url if expected else "")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0ms"), (0.25, "250ms"), (1, "1s"), (61, "1m1s"), (3600, "1h"), (90_061, "1d1h"), (86_400, "1d")],
)
def test_durations_have_two_units(seconds: float, text: str) -> None:
    assert format_span(seconds) == text


def test_templates_have_neither_inline_scripts_nor_styles_nor_unescaped_texts() -> None:
    templates = list((Path(html.__file__).parent / "templates").iterdir())
    assert templates
    for path in templates:
        text = path.read_text()
        assert not re.search(r"<script(?![^>]*src=)|\sstyle=|\son\w+=|<style|\|\s*safe|autoescape|https?://", text), (
            path
        )


def test_the_script_writes_no_markup_but_pages_of_the_console() -> None:
    text = (Path(html.__file__).parent / "static" / "console.js").read_text()
    assert not re.search(r"innerHTML\s*=|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", text)
    assert text.count("parseFromString") == 1


def test_files_are_small_enough_for_a_slow_line() -> None:
    import gzip

    pages = Pages(FakeClock(START))
    assert sum(len(gzip.compress(content)) for content, _ in pages.files.values()) < 20_000


@pytest.mark.parametrize(
    ("url", "host", "allowed"),
    [(None, "anything:1", True), ("https://c.example.org", "c.example.org", True),
     ("https://c.example.org", "C.Example.org", True), ("https://c.example.org", "evil.example", False),
     ("http://c:8098", "c:8098", True), ("http://c:8098", "c", False)],
)  # fmt: skip
def test_hosts_are_those_of_the_url(url: str | None, host: str, allowed: bool) -> None:
    rules = BrowserRules.for_url(url)
    if allowed:
        rules.check_host(host)
    else:
        with pytest.raises(PageError):
            rules.check_host(host)


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://c:1", True),
        ("http://C:1", True),
        ("http://c:2", False),
        ("", False),
        ("null", False),
        ("http://c", False),
    ],
)
def test_forms_come_from_the_own_origin(origin: str, allowed: bool) -> None:
    headers = {"Host": "c:1", "Origin": origin}
    if allowed:
        BrowserRules().check_origin(headers)
    else:
        with pytest.raises(PageError):
            BrowserRules().check_origin(headers)


def test_only_navigations_of_other_sites_take_a_detour() -> None:
    assert comes_from_elsewhere({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"})
    assert not comes_from_elsewhere({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"})
    assert not comes_from_elsewhere({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate"})
    assert not comes_from_elsewhere({})


@pytest.mark.parametrize(
    ("text", "path"),
    [("/actions?a=b", "/actions?a=b"), ("//evil", "/"), ("/\\evil", "/"), ("https://evil", "/"), ("", "/"),
     ("/a\r\nSet-Cookie: x", "/"), ("/ü", "/")],
)  # fmt: skip
def test_a_redirect_stays_on_the_console(text: str, path: str) -> None:
    assert local_path(text) == path


async def test_sessions_end_by_age_idleness_and_sign_out() -> None:
    clock = FakeClock(START)
    left: list[str] = []
    store = SessionStore(clock, duration=100, idle=30, limit=2)

    def begin(name: str) -> str:
        return store.open(Viewer(name, None, clock, leave=lambda: left.append(name)))

    idle, used = begin("idle"), begin("used")
    with pytest.raises(PageError, match="too many"):
        begin("third")
    assert left == ["third"]
    for _ in range(3):
        await clock.advance(25)
        assert store.find(used) is not None
    assert store.find(idle) is None
    await clock.advance(25)
    assert store.find(used) is None
    assert left == ["third", "idle", "used"]
    out = begin("out")
    session = store.find(out)
    assert session is not None
    assert not session.owns_form("")
    assert session.owns_form(session.csrf)
    store.close(out)
    assert session.is_closed
    assert store.find(out) is None
    begin("forgotten")
    await clock.advance(30)
    store.sweep()
    assert len(store) == 0


def test_bars_lie_within_the_drawing_and_follow_each_other() -> None:
    def at(seconds: float) -> str:
        return (START + timedelta(seconds=seconds)).isoformat()

    attempts = [
        {"number": 1, "phase": "Failed", "startedAt": at(0), "endedAt": at(10)},
        {"number": 2, "phase": "Failed", "startedAt": at(20), "endedAt": at(20)},
        {"number": 3, "phase": "Running", "startedAt": at(30)},
        {"number": 4, "phase": "Queued"},
    ]
    bars = draw_bars(attempts, START + timedelta(seconds=40))
    assert [bar.number for bar in bars] == [1, 2, 3]
    assert [bar.x for bar in bars] == pytest.approx([0, 500, 750])
    assert [bar.width for bar in bars] == pytest.approx([250, 4, 250])
    assert all(bar.x + bar.width <= WIDTH for bar in bars)
    assert draw_bars([], START) == []
    assert draw_bars([{"startedAt": at(0), "endedAt": at(0)}], START)[0].width == 4


@pytest.mark.parametrize(
    ("spec", "phase", "expected"),
    [
        ({}, "Queued", ["suspend", "abort"]),
        ({"suspend": True}, "Queued", ["resume", "abort"]),
        ({"abort": {}}, "Running", ["suspend"]),
        ({}, "Paused", ["signal", "suspend", "abort"]),
        ({}, "Failed", ["retry"]),
    ],
)
def test_acts_follow_from_the_phase(spec: dict[str, object], phase: str, expected: list[str]) -> None:
    assert possible_acts({"kind": "TaskAction", "spec": spec, "status": {"phase": phase}}) == expected
