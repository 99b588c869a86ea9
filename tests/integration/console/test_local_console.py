"""`taskaction console` on a real API server: the kubeconfig's user, and nobody else, on this machine."""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.clusters import Cluster
from cluster.kubectl import Kubectl
from cluster.ports import HOST, free_port
from cluster.processes import wait_until
from support import preloaded
from support.accounts import request_token, write_kubeconfig
from support.actions import action
from support.api import apply_objects, create_objects, get_object
from support.cluster import new_namespace
from support.consoles import Browser
from support.people import has_right, right
from support.roles import grant

RIGHTS = tuple(right(verb, "taskactions") for verb in ("get", "list", "watch", "patch"))


@pytest.fixture(scope="module")
def local(crds: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Browser, str, Kubectl]]:
    """A browser, the address that the command prints, and the namespace of its user, who has no right elsewhere."""
    folder, port = tmp_path_factory.mktemp("local"), free_port()
    with new_namespace(crds, "own") as namespace:
        kubectl = crds.kubectl.within(namespace)
        apply_objects(crds.kubectl, grant(namespace, "me", *RIGHTS))
        create_objects(kubectl, [action("mine", "sleep", {"duration": "1h"})])
        user = f"system:serviceaccount:{namespace}:me"
        wait_until(lambda: all(has_right(kubectl, user, rule) for rule in RIGHTS), timeout=30, what="the rights")
        kubeconfig = write_kubeconfig(crds.kubectl, request_token(crds.kubectl, namespace, "me"), folder / "kubeconfig")
        words = ["console", "--no-browser", "--port", str(port), "-n", namespace]
        command = [str(Path(sys.executable).with_name("taskaction")), *words]
        env = {**os.environ, "KUBECONFIG": str(kubeconfig)}
        log = folder / "log"
        program = preloaded.start("local console", command, mark=" ".join(command), log=log, tied=True, env=env)
        try:
            found: list[str] = []

            def prints() -> bool:
                found[:] = re.findall(rf"http://{HOST}:{port}(/open/\S+)", log.read_text())
                return bool(found)

            wait_until(prints, timeout=60, what="the address", program=program)
            yield Browser(port), found[0], kubectl
        finally:
            program.end(grace=20)


def test_the_address_works_once_and_acts_as_the_user_of_the_kubeconfig(local: tuple[Browser, str, Kubectl]) -> None:
    browser, address, kubectl = local
    for path in ("/", "/actions", "/open/wrong", "/open/"):
        assert browser.get(path).status in {401, 404}
    assert browser.post("/sign-in", {"token": "any"}).status == 404
    for host in ("evil.example", f"evil.example:{browser.port}", ""):
        assert browser.get(address, Host=host).status == 421

    opened = browser.get(address)
    assert (opened.status, opened.location) == (303, "/")
    assert "HttpOnly" in opened.headers["Set-Cookie"]
    assert Browser(browser.port).get(address).status == 401

    assert ">mine</a>" in browser.get("/actions").text
    assert browser.get("/actions?namespace=kube-system").status == 403
    page = f"/namespaces/{kubectl.namespace}/taskactions/mine"
    text = browser.get(page).text
    assert f"{page}/suspend" in text
    assert f"{page}/abort" not in text
    assert browser.post(f"{page}/suspend", Origin="http://evil.example").status == 403
    assert browser.post(f"{page}/suspend").status == 303
    assert get_object(kubectl, "ta", "mine")["spec"]["suspend"] is True
