"""The console on a real API server: each person sees and does what their own rights allow, and nothing else."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import unescape
from typing import Any

import pytest

from cluster.clusters import Cluster
from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from support.accounts import delete_cluster_role, request_token
from support.actions import action
from support.api import apply_objects, create_objects, get_object, patch_object
from support.cluster import new_namespace
from support.consoles import Browser, Consoles, Response
from support.people import cluster_binding, right
from support.roles import grant
from support.serving import ask_probe

MARK = "rivalsecret"
"""Part of everything in the rival's namespace."""
READ = tuple(right(verb, kind) for verb in ("get", "list") for kind in ("taskactions", "actionflowruns"))
ACT = tuple(right(verb, "taskactions") for verb in ("create", "patch", "abort", "signal"))
HOSTILE = "<script>alert(1)</script>\u202e\u0007'\"&"


@dataclass
class Stage:
    """A running console, two namespaces, and people in one of them."""

    consoles: Consoles
    kubectl: Kubectl
    rival: Kubectl
    tokens: dict[str, str]

    @property
    def namespace(self) -> str:
        return str(self.kubectl.namespace)

    def browser(self, who: str) -> Browser:
        browser = self.consoles.browser()
        answer = browser.sign_in(self.tokens[who])
        assert answer.status == 303, answer.text
        return browser

    def page(self, name: str, kubectl: Kubectl | None = None) -> str:
        return f"/namespaces/{(kubectl or self.kubectl).namespace}/taskactions/{name}"

    def list(self) -> str:
        return f"/actions?namespace={self.namespace}"


def set_status(kubectl: Kubectl, name: str, **status: Any) -> None:
    patch_object(kubectl, "ta", name, {"status": status}, "--subresource=status")


def wait_for_page(browser: Browser, path: str, check: Callable[[Response], bool]) -> Response:
    """Return a page once it shows something: roles, watches and cached reviews take a moment."""
    found: list[Response] = []

    def shows() -> bool:
        found[:] = [browser.get(path)]
        return check(found[0])

    wait_until(shows, timeout=40, what=f"{path} to show it")
    return found[0]


@pytest.fixture(scope="module")
def stage(crds: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with new_namespace(crds, "tenant") as namespace, new_namespace(crds, "rival") as rival:
        people = {"writer": (*READ, *ACT), "reader": READ, "nobody": (), "admin": ()}
        items = [item for name, rules in people.items() for item in grant(namespace, name, *rules)]
        admin = f"console-admin-{namespace}"
        items += cluster_binding(admin, f"system:serviceaccount:{namespace}:admin", *READ, *ACT)
        apply_objects(crds.kubectl, items)
        consoles = Consoles(crds.kubectl, namespace, tmp_path_factory.mktemp("console"))
        kubectl, other = crds.kubectl.within(namespace), crds.kubectl.within(rival)
        try:
            consoles.start()
            tokens = {name: request_token(crds.kubectl, namespace, name) for name in people}
            found = Stage(consoles, kubectl, other, tokens)
            create_objects(kubectl, [action("mine", "sleep", {"duration": "1h"}), action("ask", "approval")])
            create_objects(other, [action(f"{MARK}-{number}", "noop") for number in range(3)])
            for who, path in (("writer", found.list()), ("reader", found.list()), ("admin", "/actions")):
                browser = found.browser(who)
                wait_for_page(browser, path, lambda answer: answer.status == 200 and "mine" in answer.text)
            writer = found.browser("writer")
            wait_for_page(writer, found.page("mine"), lambda answer: "/abort" in answer.text)
            yield found
        finally:
            consoles.close()
            delete_cluster_role(crds.kubectl, admin)


def test_without_a_session_no_page_shows_anything(stage: Stage) -> None:
    browser = stage.consoles.browser()
    for path in ("/", stage.list(), "/approvals", stage.page("mine"), f"{stage.page('mine')}/logs"):
        answer = browser.get(path)
        assert answer.status == 401
        assert "Sign in" in answer.text
        assert "sleep" not in answer.text
    assert browser.post(f"{stage.page('mine')}/abort").status == 401


@pytest.mark.parametrize("token", ["", "no-token", "a b", "x" * 20_000])
def test_a_token_that_is_not_valid_does_not_sign_in(stage: Stage, token: str) -> None:
    browser = stage.consoles.browser()
    answer = browser.sign_in(token)
    assert answer.status in {400, 401}
    assert "token:" in answer.text
    assert not browser.cookie


def test_the_cookie_of_a_session_is_out_of_reach_of_pages_and_other_sites(stage: Stage) -> None:
    browser = stage.consoles.browser()
    answer = browser.sign_in(stage.tokens["reader"])
    given = answer.headers["Set-Cookie"]
    assert "HttpOnly" in given
    assert "SameSite=Strict" in given
    assert stage.tokens["reader"] not in given
    assert answer.location == "/approvals?namespace=default"


@pytest.mark.parametrize("target", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_signing_in_leads_to_no_other_site(stage: Stage, target: str) -> None:
    answer = stage.consoles.browser().post("/sign-in", {"token": stage.tokens["reader"], "next": target})
    assert (answer.status, answer.location) == (303, "/")


def test_every_response_has_the_policy_of_contents(stage: Stage) -> None:
    browser = stage.browser("reader")
    version = re.search(r"/static/(\w+)/", browser.get("/sign-in").text)
    assert version is not None
    for path in ("/", stage.list(), stage.page("mine"), "/none", "/sign-in", f"/static/{version[1]}/console.js"):
        headers = browser.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert ("immutable" in headers["Cache-Control"]) == path.startswith("/static")
        assert headers["Cache-Control"] == "no-store" or path.startswith("/static")
    for path in ("/", stage.list(), stage.page("mine")):
        text = browser.get(path).text
        assert not re.search(r"<script(?![^>]*src=)|\sstyle=|\son\w+=|<style", text)
        assert not re.search(r"(?:src|href)=\"(?:https?:)?//", text)


def test_a_list_shows_the_rows_of_the_namespaces_that_one_may_list(stage: Stage) -> None:
    reader, admin = stage.browser("reader"), stage.browser("admin")
    own = reader.get(stage.list()).text
    assert ">mine</a>" in own
    assert MARK not in own
    assert ">mine</a>" in reader.get("/actions").text  # that of the account
    everything = admin.get("/actions").text
    assert ">mine</a>" in everything
    assert f">{MARK}-0</a>" in everything
    assert f">{MARK}-0</a>" not in admin.get(stage.list()).text


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("phase=Queued", {"mine", "ask"}),
        ("phase=Failed", set()),
        ("runner=sleep", {"mine"}),
        ("kind=ActionFlowRun", set()),
        ("q=MIN", {"mine"}),
    ],
)
def test_a_list_is_filtered_by_its_address(stage: Stage, query: str, names: set[str]) -> None:
    text = stage.browser("reader").get(f"{stage.list()}&{query}").text
    assert {name for name in ("mine", "ask") if f">{name}</a>" in text} == names


@pytest.mark.parametrize(
    ("query", "problem"),
    [("phase=Done", "phase: use one of Queued"), ("colour=red", "colour: unknown parameter"), ("label=a", "label: ")],
)
def test_an_invalid_address_says_what_is_wrong(stage: Stage, query: str, problem: str) -> None:
    answer = stage.browser("reader").get(f"/actions?{query}")
    assert answer.status == 400
    assert problem in answer.text


def test_a_person_of_one_namespace_learns_nothing_of_another(stage: Stage) -> None:
    reader = stage.browser("reader")
    rival, none = stage.rival.namespace, "no-such-namespace"
    texts = {}
    for place in (rival, none):
        answers = [
            reader.get(path)
            for path in (
                f"/actions?namespace={place}",
                f"/?namespace={place}",
                f"/approvals?namespace={place}",
                f"/actions?namespace={stage.namespace}&namespace={place}",
                f"/namespaces/{place}/taskactions/{MARK}-0",
                f"/namespaces/{place}/taskactions/{MARK}-0/logs",
            )
        ]
        answers += [reader.post(f"/namespaces/{place}/taskactions/{MARK}-0/{act}") for act in ("abort", "retry")]
        assert {answer.status for answer in answers} == {403}
        texts[place] = [re.sub(place, "PLACE", unescape(answer.text).replace(reader.csrf, "")) for answer in answers]
    assert texts[rival] == texts[none]
    for path in ("/", "/actions", "/approvals", f"/actions?q={MARK[:5]}", stage.page("mine")):
        answer = reader.get(path)
        assert answer.status == 200
        assert MARK not in answer.text.replace(f'value="{MARK[:5]}"', "")


def test_whoever_may_list_nothing_is_told_so(stage: Stage) -> None:
    nobody = stage.browser("nobody")
    assert nobody.get("/actions").status == 403
    answer = nobody.get(stage.page("mine"))
    assert answer.status == 403
    assert "sleep" not in answer.text


def test_buttons_follow_the_rights_of_the_person(stage: Stage) -> None:
    writer, reader = (stage.browser(who).get(stage.page("mine")).text for who in ("writer", "reader"))
    assert all(f"{stage.page('mine')}/{act}" in writer for act in ("abort", "suspend"))
    assert all(f"{stage.page('mine')}/{act}" not in reader for act in ("abort", "suspend"))


def test_an_act_without_the_right_is_refused_by_the_api_server(stage: Stage) -> None:
    reader = stage.browser("reader")
    reader.get(stage.page("mine"))
    answer = reader.post(f"{stage.page('mine')}/suspend")
    assert answer.status == 403
    assert "cannot patch" in unescape(answer.text)
    assert get_object(stage.kubectl, "ta", "mine")["spec"].get("suspend", False) is False


def test_a_person_suspends_resumes_and_aborts(stage: Stage) -> None:
    create_objects(stage.kubectl, [action("act-on-me", "sleep", {"duration": "1h"})])
    writer, page = stage.browser("writer"), stage.page("act-on-me")
    for act, expected in (("suspend", True), ("resume", False)):
        answer = writer.post(f"{page}/{act}")
        assert (answer.status, answer.location) == (303, page)
        assert get_object(stage.kubectl, "ta", "act-on-me")["spec"]["suspend"] is expected
    assert writer.post(f"{page}/resume").status == 409
    assert writer.post(f"{page}/abort", {"reason": "x" * 257}).status == 400
    assert writer.post(f"{page}/abort", {"reason": "no longer needed"}).status == 303
    abort = get_object(stage.kubectl, "ta", "act-on-me")["spec"]["abort"]
    assert abort["reason"] == "no longer needed"
    assert abort.get("by", "").endswith(":writer") or "by" not in abort
    assert writer.post(f"{page}/explode").status == 404


def test_a_person_approves_what_waits_for_them(stage: Stage) -> None:
    set_status(stage.kubectl, "ask", phase="Paused", attempt=1, message="Deploy to production?")
    writer, reader = stage.browser("writer"), stage.browser("reader")
    waiting = wait_for_page(writer, "/approvals", lambda answer: "Deploy to production?" in answer.text)
    assert "Read and answer" in waiting.text
    assert "1 more wait for people" in reader.get("/approvals").text
    assert "Approve" in writer.get(stage.page("ask")).text
    assert "Approve" not in reader.get(stage.page("ask")).text
    assert writer.post(f"{stage.page('ask')}/signal", {"value": "perhaps"}).status == 422
    assert writer.post(f"{stage.page('ask')}/signal", {"value": "yes"}).status == 303
    assert get_object(stage.kubectl, "ta", "ask")["spec"]["signal"]["value"] is True


def test_what_has_ended_runs_again_as_a_new_object(stage: Stage) -> None:
    create_objects(stage.kubectl, [action("ended", "noop")])
    writer, page = stage.browser("writer"), stage.page("ended")
    assert writer.post(f"{page}/retry").status == 409
    set_status(stage.kubectl, "ended", phase="Succeeded", attempt=1, finishedAt="2026-01-01T00:00:00Z")
    answer = writer.post(f"{page}/retry")
    assert answer.status == 303
    assert re.fullmatch(rf"{page}-\w+", answer.location)
    assert writer.get(answer.location).status == 200


def test_a_form_counts_only_if_a_page_of_the_session_sent_it(stage: Stage) -> None:
    writer, page = stage.browser("writer"), f"{stage.page('mine')}/suspend"
    other = stage.browser("writer")
    origin = f"http://127.0.0.1:{stage.consoles.port}"
    for csrf, headers in (
        ("", {}),
        (other.csrf, {}),
        (writer.csrf, {"Origin": "https://evil.example"}),
        (writer.csrf, {"Origin": "null"}),
        (writer.csrf, {"Origin": ""}),
        (writer.csrf, {"Origin": f"{origin}.evil.example"}),
    ):
        assert writer.post(page, {"csrf": csrf}, **headers).status == 403
    assert get_object(stage.kubectl, "ta", "mine")["spec"].get("suspend", False) is False


def test_hostile_texts_are_shown_and_do_nothing(stage: Stage) -> None:
    create_objects(stage.kubectl, [action("hostile", "noop", {"text": HOSTILE})])
    links = [{"name": "click", "url": "javascript:alert(1)"}, {"name": "good", "url": "https://example.org/"}]
    set_status(stage.kubectl, "hostile", phase="Running", attempt=1, message=HOSTILE, links=links)
    reader = stage.browser("reader")
    page = wait_for_page(reader, stage.page("hostile"), lambda answer: "alert(1)" in answer.text).text
    listed = wait_for_page(reader, stage.list(), lambda answer: "alert(1)" in answer.text).text
    for text in (page, listed):
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert(1)" in text
        assert not set(text) & {"\u202e", "\u0007"}
        assert "\\u202e" in text
    assert 'href="javascript' not in page
    assert 'href="https://example.org/"' in page


def test_a_stream_tells_of_changes_of_its_page_only(stage: Stage) -> None:
    create_objects(stage.kubectl, [action("followed", "noop"), action("unrelated", "noop")])
    reader = stage.browser("reader")
    wait_for_page(reader, stage.list(), lambda answer: "followed" in answer.text and "unrelated" in answer.text)
    with reader.stream(stage.page("followed")) as own, reader.stream(stage.list()) as listed:
        patch_object(stage.rival, "ta", f"{MARK}-1", {"metadata": {"labels": {"a": "b"}}})
        set_status(stage.kubectl, "unrelated", phase="Running", attempt=1)
        assert listed.next() == "changed"
        set_status(stage.kubectl, "followed", phase="Running", attempt=1, message="at work")
        assert own.next() == "changed"
        assert "at work" in reader.get(stage.page("followed")).text


def test_a_stream_tells_nothing_of_other_namespaces(stage: Stage) -> None:
    reader = stage.browser("reader")
    with reader.stream(stage.list()) as found:
        patch_object(stage.rival, "ta", f"{MARK}-2", {"metadata": {"labels": {"seen": "yes"}}})
        wait_for_page(stage.browser("admin"), "/actions?label=seen=yes", lambda answer: f"{MARK}-2" in answer.text)
        assert not found.has_data()


def test_signing_out_ends_the_session(stage: Stage) -> None:
    reader = stage.browser("reader")
    kept = reader.cookie
    assert reader.post("/sign-out").location == "/sign-in"
    reader.cookie = kept
    assert reader.get("/actions").status == 401


def test_a_link_of_another_site_leads_to_the_page_by_a_detour(stage: Stage) -> None:
    answer = stage.consoles.browser().get(stage.page("mine"), Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")
    assert answer.status == 200
    assert 'http-equiv="refresh"' in answer.text
    assert "mine" not in answer.text


def test_logs_contain_no_token(stage: Stage) -> None:
    stage.browser("writer").get(stage.page("mine"))
    for log in stage.consoles.folder.glob("*.log"):
        text = log.read_text()
        assert not any(token in text for token in stage.tokens.values())


def test_a_console_with_a_url_sends_cookies_over_tls_only_and_refuses_other_hosts(stage: Stage) -> None:
    stage.consoles.stop()
    try:
        stage.consoles.start(url="https://console.example.org", read_only="true")
        browser = stage.consoles.browser()
        assert browser.get("/sign-in").status == 421
        host, origin = "console.example.org", "https://console.example.org"
        answer = browser.post("/sign-in", {"token": stage.tokens["writer"]}, Host=host, Origin=origin)
        assert answer.status == 303
        assert answer.headers["Set-Cookie"].startswith("__Host-taskaction=")
        assert "Secure" in answer.headers["Set-Cookie"]
        page = browser.get(stage.page("mine"), Host=host)
        assert "/abort" not in page.text
        refused = browser.post(f"{stage.page('mine')}/abort", Host=host, Origin=origin)
        assert refused.status == 403
        assert "read-only" in refused.text
    finally:
        stage.consoles.stop()
        stage.consoles.start()


def test_probes_and_metrics_are_those_of_the_console(stage: Stage) -> None:
    stage.browser("reader").get(stage.list())
    code, text = ask_probe(f"{stage.consoles.probes}/metrics", seconds=5)
    assert code == 200
    assert re.search(r'taskaction_console_request_seconds_count\{code="200",page="list"\} [1-9]', text)
    assert json.dumps(stage.namespace) not in text
