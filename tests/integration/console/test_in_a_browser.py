"""The console in Chromium: pages update themselves, acts work, and nobody is left out."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, expect, sync_playwright

from cluster.clusters import Cluster
from cluster.kubectl import Kubectl
from cluster.ports import HOST
from support.accounts import delete_cluster_role, request_token
from support.actions import action
from support.api import apply_objects, create_objects, get_object, patch_object
from support.cluster import new_namespace
from support.consoles import Consoles
from support.people import cluster_binding, right

PROGRAM = shutil.which("chromium")
QUIET = (
    "--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run",
)  # fmt: skip
MS = 60_000
RIGHTS = (
    *(right(verb, "taskactions") for verb in ("get", "list", "watch", "create", "patch", "abort", "signal")),
    right("list", "actionflowruns"),
    {"apiGroups": [""], "resources": ["events", "pods"], "verbs": ["list"]},
)
HOSTILE = "<img src=x onerror=alert(1)><script>alert(1)</script>"
PAGES = ("overview", "list", "approvals", "waiting", "failed", "missing", "invalid", "sign-in")

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="there is no chromium: apt-get install chromium")


@dataclass
class Desk:
    """A browser in front of a console, and what it complained of."""

    chromium: Chromium
    consoles: Consoles
    kubectl: Kubectl
    cookie: str
    folder: Path

    def address(self, name: str) -> str:
        here = f"/namespaces/{self.kubectl.namespace}/taskactions"
        own = f"namespace={self.kubectl.namespace}"
        paths = {
            "overview": "/", "list": f"/actions?{own}", "approvals": f"/approvals?{own}", "missing": f"{here}/none",
            "invalid": "/actions?phase=Done", "sign-in": "/sign-in",
        }  # fmt: skip
        return f"http://{HOST}:{self.consoles.port}{paths.get(name, f'{here}/{name}')}"


Show = Callable[..., Page]
"""Function that opens a page by its name, in a colour scheme and a width."""


@pytest.fixture(scope="module")
def desk(crds: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with new_namespace(crds, "browser") as namespace:
        folder, kubectl = tmp_path_factory.mktemp("browser"), crds.kubectl.within(namespace)
        role = f"console-browser-{namespace}"
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "me", "namespace": namespace}}
        apply_objects(crds.kubectl, [account, *cluster_binding(role, f"system:serviceaccount:{namespace}:me", *RIGHTS)])
        consoles = Consoles(crds.kubectl, namespace, folder)
        try:
            consoles.start()
            create_objects(
                kubectl,
                [
                    action("waiting", "approval", {"title": "Deploy?", "prompt": HOSTILE}),
                    action("failed", "fail", {"message": HOSTILE}),
                    action("moving", "noop"),
                    action("doomed", "sleep", {"duration": "1h"}),
                ],
            )
            at, error = "2026-12-01T03:00:00Z", {"code": "Broken", "kind": "User", "message": HOSTILE}
            ended = {"phase": "Failed", "attempt": 1, "finishedAt": at, "startedAt": at, "message": HOSTILE}
            tried = [{"number": 1, "phase": "Failed", "startedAt": at, "endedAt": at, "error": error}]
            set_status(kubectl, "failed", **ended, attempts=tried, error=error)
            set_status(kubectl, "waiting", phase="Paused", attempt=1, message=HOSTILE)
            browser = consoles.browser()
            assert browser.sign_in(request_token(crds.kubectl, namespace, "me")).status == 303
            with sync_playwright() as playwright:
                chromium = playwright.chromium.launch(executable_path=PROGRAM, args=list(QUIET))
                yield Desk(chromium, consoles, kubectl, browser.cookie, folder)
                chromium.close()
        finally:
            consoles.close()
            delete_cluster_role(crds.kubectl, role)


@pytest.fixture
def show(desk: Desk) -> Iterator[Show]:
    """Open pages, which may complain of nothing."""
    complaints: list[str] = []
    contexts = []

    def open_page(name: str, scheme: str = "light", width: int = 1280) -> Page:
        context = desk.chromium.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        contexts.append(context)
        context.set_default_timeout(MS)
        if name != "sign-in":
            key, _, value = desk.cookie.partition("=")
            context.add_cookies([{"name": key, "value": value, "url": f"http://{HOST}:{desk.consoles.port}"}])
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        page.goto(desk.address(name))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [text for text in complaints if "the server responded with a status of 40" not in text] == []


def set_status(kubectl: Kubectl, name: str, **status: object) -> None:
    patch_object(kubectl, "ta", name, {"status": status}, "--subresource=status")


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_and_are_for_everybody(show: Show, scheme: str, width: int) -> None:
    for name in PAGES:
        page = show(name, scheme, width)
        expect(page.locator("main")).to_be_visible(timeout=MS)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is too wide"
        found = Axe().run(page).response["violations"]
        serious = [
            f"{one['id']}: {node['html'][:200]}"
            for one in found
            if one["impact"] in {"serious", "critical"}
            for node in one["nodes"]
        ]
        assert serious == [], name


def test_a_list_shows_a_change_by_itself(desk: Desk, show: Show) -> None:
    page = show("list")
    row = page.get_by_role("row").filter(has_text="moving")
    expect(row).to_contain_text("Queued", timeout=MS)
    expect(page.locator(".live")).to_contain_text("live", timeout=MS)
    set_status(desk.kubectl, "moving", phase="Running", attempt=1, message="halfway")
    expect(row).to_contain_text("Running", timeout=MS)
    expect(row).to_contain_text("halfway", timeout=MS)
    create_objects(desk.kubectl, [action("newcomer", "noop")])
    expect(page.get_by_role("link", name="newcomer")).to_be_visible(timeout=MS)


def test_a_person_approves_and_sees_it(desk: Desk, show: Show) -> None:
    page = show("approvals")
    page.get_by_role("link", name="Read and answer").click()
    expect(page.get_by_role("heading", name="Deploy?")).to_be_visible(timeout=MS)
    page.get_by_role("button", name="Approve").click()
    page.wait_for_url("**/taskactions/waiting")
    assert get_object(desk.kubectl, "ta", "waiting")["spec"]["signal"]["value"] is True
    set_status(desk.kubectl, "waiting", phase="Running", attempt=1, message="going on")
    expect(page.locator("#phase")).to_contain_text("Running", timeout=MS)


def test_a_person_aborts_with_a_reason(desk: Desk, show: Show) -> None:
    page = show("doomed")
    page.locator("summary", has_text="Abort").click()
    page.get_by_label("Reason").fill("by mistake")
    page.get_by_role("button", name="Abort it").click()
    expect(page.locator("#status").get_by_text("by mistake")).to_be_visible(timeout=MS)
    assert get_object(desk.kubectl, "ta", "doomed")["spec"]["abort"]["reason"] == "by mistake"


def test_signing_in_by_hand_leads_to_the_page_that_was_asked_for(desk: Desk, show: Show) -> None:
    page = show("sign-in")
    page.goto(desk.address("failed"))
    page.get_by_label("Kubernetes token").fill(request_token(desk.kubectl, str(desk.kubectl.namespace), "me"))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="failed")).to_be_visible(timeout=MS)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible(timeout=MS)


def test_keys_go_through_the_list(show: Show) -> None:
    page = show("list")
    page.keyboard.press("/")
    expect(page.get_by_label("Search")).to_be_focused(timeout=MS)
    page.get_by_label("Search").blur()
    page.keyboard.press("j")
    expect(page.locator("tbody .key a").first).to_be_focused(timeout=MS)
