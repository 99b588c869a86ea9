"""Kubeconfig files are read as kubectl reads them, and every error names the field and the remedy."""

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from taskaction_client.credentials import find_account
from taskaction_client.errors import ConfigurationError
from taskaction_client.kubeconfig import read_kubeconfig


def config(user: dict[str, Any] | None = None, cluster: dict[str, Any] | None = None, **top: Any) -> dict[str, Any]:
    return {
        "current-context": "dev",
        "clusters": [{"name": "c", "cluster": {"server": "https://one:6443/", **(cluster or {})}}],
        "users": [{"name": "u", "user": user or {}}],
        "contexts": [{"name": "dev", "context": {"cluster": "c", "user": "u", "namespace": "team"}}],
        **top,
    }


def written(folder: Path, content: object, name: str = "config") -> Path:
    path = folder / name
    path.write_text(yaml.safe_dump(content))
    return path


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_data_in_the_file_and_files_next_to_it(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("KEY")
    user = {"client-certificate-data": encoded("CERT"), "client-key": "key.pem"}
    cluster = {"certificate-authority-data": encoded("CA"), "tls-server-name": "api", "proxy-url": "http://proxy"}
    account = read_kubeconfig([written(tmp_path, config(user, cluster))])
    assert (account.server, account.namespace) == ("https://one:6443", "team")
    assert (account.authority, account.certificate, account.key) == (b"CA", b"CERT", b"KEY")
    assert (account.server_name, account.proxy, account.verify) == ("api", "http://proxy", True)


def test_the_first_of_several_files_wins(tmp_path: Path) -> None:
    first = written(tmp_path, {"users": [{"name": "u", "user": {"token": "first"}}]}, "first")
    second = written(tmp_path, config({"token": "second"}), "second")
    assert read_kubeconfig([tmp_path / "missing", first, second]).token == "first"


def test_an_account_may_act_as_another_one(tmp_path: Path) -> None:
    user = {"token": "t", "as": "bot", "as-groups": ["a", "b"], "as-user-extra": {"why": ["test"]}}
    assert read_kubeconfig([written(tmp_path, config(user))]).impersonate == (
        ("Impersonate-User", "bot"),
        ("Impersonate-Group", "a"),
        ("Impersonate-Group", "b"),
        ("Impersonate-Extra-why", "test"),
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (config(**{"current-context": None}), r"current-context is not set: set it, or name a context"),
        (config(**{"current-context": "other"}), r"context 'other' not found in contexts; use one of: dev"),
        (config(clusters=[]), r"cluster 'c' not found in clusters"),
        (config(cluster={"server": ""}), r"clusters\[c\].cluster.server is not set: set the URL"),
        (config(cluster={"server": "one:6443"}), r"clusters\[c\].cluster.server: invalid URL .*begin it with https://"),
        (config(clusters=["c"]), r"clusters: each entry must have the fields name and cluster"),
        (config(users=[{"name": "u", "user": "me"}]), r"users: each entry must have the fields name and user"),
        (config({"auth-provider": {"name": "gcp"}}), r"users\[u\].user: auth-provider .* use exec, token"),
        (config({"client-certificate-data": "%"}), r"client-certificate-data: not base64"),
        (config({"client-key": "missing.pem"}), r"client-key: cannot read .*missing.pem"),
        (config({"exec": {"args": []}}), r"user.exec.command is not set: name the program"),
        (
            config({"exec": {"command": "x", "interactiveMode": "Always"}}),
            r"interactiveMode: Always requires a terminal",
        ),
        ("text", r"not a kubeconfig: clusters, contexts and users are missing"),
    ],
)
def test_an_error_names_the_field_and_the_remedy(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        read_kubeconfig([written(tmp_path, content)])


def test_credentials_are_looked_for_where_kubectl_does(tmp_path: Path) -> None:
    pod, home = tmp_path / "pod", tmp_path / "home"
    inside = {"HOME": str(home), "KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    with pytest.raises(ConfigurationError, match="set KUBECONFIG to a kubeconfig file"):
        find_account(None, None, inside, pod=pod)
    pod.mkdir()
    for name, text in (("token", "t\n"), ("ca.crt", "CA"), ("namespace", "jobs")):
        (pod / name).write_text(text)
    account = find_account(None, None, inside, pod=pod)
    assert (account.server, account.namespace, account.token_file) == ("https://10.0.0.1:443", "jobs", pod / "token")
    (home / ".kube").mkdir(parents=True)
    written(home / ".kube", config({"token": "home"}))
    assert find_account(None, None, inside, pod=pod).token == "home"
    named = written(tmp_path, config({"token": "named"}), "named")
    assert find_account(None, None, inside | {"KUBECONFIG": str(named)}, pod=pod).token == "named"
    given = written(tmp_path, config({"token": "given"}), "given")
    assert find_account(given, None, inside | {"KUBECONFIG": str(named)}, pod=pod).token == "given"


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1080", "proxy:3128"])
def test_a_proxy_that_cannot_be_used_is_an_error(tmp_path: Path, proxy: str) -> None:
    with pytest.raises(ConfigurationError, match=f"unsupported proxy '{proxy}'; use one that begins with http://"):
        find_account(written(tmp_path, config(cluster={"proxy-url": proxy})), None, {})
    with pytest.raises(ConfigurationError, match="HTTPS_PROXY: unsupported proxy"):
        find_account(written(tmp_path, config()), None, {"HTTPS_PROXY": proxy})


def test_the_proxy_of_the_kubeconfig_comes_before_that_of_the_environment(tmp_path: Path) -> None:
    environ = {"HTTPS_PROXY": "http://usual:3128"}
    assert find_account(written(tmp_path, config()), None, environ).proxy == "http://usual:3128"
    own = written(tmp_path, config(cluster={"proxy-url": "http://own:3128"}))
    assert find_account(own, None, environ | {"NO_PROXY": "*"}).proxy == "http://own:3128"
