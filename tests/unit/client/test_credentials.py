"""Tokens are loaded again when they rotate, expire or are refused; plug-ins run once for many requests."""

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from taskaction_client.credentials import TOKEN_SECONDS, Credentials, read_credential
from taskaction_client.errors import ConfigurationError
from taskaction_client.kubeconfig import Account, ExecPlugin

SERVER = "http://127.0.0.1:1"
PROGRAM = """
import json, os, pathlib, sys
count = pathlib.Path(sys.argv[1])
number = len(count.read_text()) if count.exists() else 0
count.write_text("x" * (number + 1))
info = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
status = {"token": f"token-{number}-{os.environ['TEAM']}-{info['spec']['cluster']['server']}"}
if len(sys.argv) > 2:
    status["expirationTimestamp"] = sys.argv[2]
print(json.dumps({"apiVersion": info["apiVersion"], "kind": "ExecCredential", "status": status}))
"""


def plugin(folder: Path, *arguments: str) -> ExecPlugin:
    program = folder / "plugin.py"
    program.write_text(PROGRAM)
    return ExecPlugin(
        command=sys.executable,
        arguments=(str(program), str(folder / "count"), *arguments),
        environment={"TEAM": "a"},
        provide_cluster_info=True,
    )


async def test_a_token_file_is_read_again_after_a_minute_and_after_a_refusal(tmp_path: Path) -> None:
    now = 0.0
    file = tmp_path / "token"
    file.write_text("one\n")
    credentials = Credentials(Account(server=SERVER, token_file=file), monotonic=lambda: now)
    assert await credentials.headers() == [("Authorization", "Bearer one")]
    file.write_text("two")
    assert await credentials.headers() == [("Authorization", "Bearer one")]
    now = TOKEN_SECONDS
    assert await credentials.headers() == [("Authorization", "Bearer two")]
    file.write_text("three")
    credentials.forget(await credentials.headers())
    assert await credentials.headers() == [("Authorization", "Bearer three")]


async def test_many_refused_requests_load_the_credentials_again_once(tmp_path: Path) -> None:
    credentials = Credentials(Account(server=SERVER, plugin=plugin(tmp_path)))
    refused = await credentials.headers()
    for _ in range(10):
        credentials.forget(refused)
        assert await credentials.headers() == [("Authorization", f"Bearer token-1-a-{SERVER}")]


async def test_a_plugin_runs_once_until_it_is_refused(tmp_path: Path) -> None:
    credentials = Credentials(Account(server=SERVER, plugin=plugin(tmp_path)))
    first, second = await asyncio.gather(credentials.headers(), credentials.headers())
    assert first == second == [("Authorization", f"Bearer token-0-a-{SERVER}")]
    credentials.forget(await credentials.headers())
    assert await credentials.headers() == [("Authorization", f"Bearer token-1-a-{SERVER}")]


@pytest.mark.parametrize(("seconds", "runs"), [(10, 2), (3600, 1)])
async def test_a_plugin_runs_again_shortly_before_its_token_expires(tmp_path: Path, seconds: int, runs: int) -> None:
    expires = (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    credentials = Credentials(Account(server=SERVER, plugin=plugin(tmp_path, expires)))
    await credentials.headers()
    await credentials.headers()
    assert len((tmp_path / "count").read_text()) == runs


async def test_a_plugin_that_fails_is_named() -> None:
    missing = ExecPlugin(command="/nowhere/login", install_hint="see the wiki")
    with pytest.raises(ConfigurationError, match=r"cannot start /nowhere/login .*: see the wiki"):
        await Credentials(Account(server=SERVER, plugin=missing)).headers()
    failing = ExecPlugin(command=sys.executable, arguments=("-c", "raise SystemExit('log in first')"))
    with pytest.raises(ConfigurationError, match="ended with 1: log in first"):
        await Credentials(Account(server=SERVER, plugin=failing)).headers()


@pytest.mark.parametrize("printed", [b"", b"[]", b"{}", b'{"status": 1}', json.dumps({"status": {}}).encode()])
def test_what_is_no_credential_is_refused(printed: bytes) -> None:
    with pytest.raises(ConfigurationError, match=r"user.exec.command: login has printed n"):
        read_credential(printed, "login")


async def test_a_server_without_tls_needs_no_context_and_a_wrong_certificate_is_named() -> None:
    assert await Credentials(Account(server=SERVER)).ssl_context() is None
    with pytest.raises(ConfigurationError, match="client-certificate, client-key: not a certificate"):
        await Credentials(Account(server="https://127.0.0.1:1", certificate=b"x", key=b"y")).ssl_context()
