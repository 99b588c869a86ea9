"""A certificate that is renewed is shown to whoever connects then; one that is broken is not."""

import asyncio
import ssl
from pathlib import Path

import grpc
import pytest
from flyteidl2.actions.actions_service_pb2_grpc import ActionsServiceStub

from cluster.certificates import Authority
from support.actions_in_memory import served
from support.actions_services import task, watch
from taskaction.core.errors import ConfigurationError
from taskaction.integrations.flyte.service.certificates import LOOK_SECONDS
from taskaction.testing.clock import FakeClock

HOSTS = ["127.0.0.1"]


class Files:
    """A certificate and its key, as a Secret is mounted: a link of which the target changes."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self._folder, self._authority = folder, authority
        self._written = 0
        self._data = folder / "data"
        self.settings = {"tls_cert_file": str(self._data / "tls.crt"), "tls_key_file": str(self._data / "tls.key")}

    def renew(self, *, key: bytes | None = None) -> bytes:
        """Write another pair, and give its certificate."""
        self._written += 1
        folder = self._folder / str(self._written)
        folder.mkdir()
        pair = self._authority.server("actions", HOSTS)
        (folder / "tls.crt").write_bytes(pair.certificate)
        (folder / "tls.key").write_bytes(key if key is not None else pair.key)
        link = self._folder / "new"
        link.symlink_to(folder)
        link.replace(self._data)
        return pair.certificate


@pytest.fixture
def authority() -> Authority:
    return Authority()


@pytest.fixture
def files(tmp_path: Path, authority: Authority) -> Files:
    return Files(tmp_path, authority)


async def shown(address: str) -> str:
    """Give the certificate that a server shows."""
    host, _, port = address.rpartition(":")
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection(host, int(port), ssl=anybody)
    found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    return ssl.DER_cert_to_PEM_cert(found)


def pem(certificate: bytes) -> str:
    """Write a certificate as the library does."""
    return ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert(certificate.decode()))


async def test_a_renewed_certificate_is_shown_and_calls_under_way_go_on(files, authority):
    clock, first = FakeClock(), files.renew()
    async with served(clock=clock, **files.settings) as service:
        assert await shown(service.address) == pem(first)
        trust = grpc.ssl_channel_credentials(authority.certificate)
        async with grpc.aio.secure_channel(service.address, trust) as channel:
            stub = ActionsServiceStub(channel)
            await stub.Enqueue(task("renewed"))
            stream = stub.WatchForUpdates(watch("renewed"), timeout=600)
            assert (await stream.read()).control_message.sentinel
            second = files.renew()
            assert await shown(service.address) == pem(first)
            await clock.advance(LOOK_SECONDS)
            assert await shown(service.address) == pem(second)
            await stub.Enqueue(task("renewed", "child", "a0"))
            assert (await stream.read()).action_update.action_id.name == "child"


@pytest.mark.parametrize(
    "broken", [b"", b"no key", Authority().server("other", HOSTS).key], ids=["empty", "odd", "other"]
)
async def test_a_pair_that_does_not_fit_is_not_used_until_it_does(files, broken):
    clock, first = FakeClock(), files.renew()
    async with served(clock=clock, **files.settings) as service:
        files.renew(key=broken)
        await clock.advance(LOOK_SECONDS)
        assert await shown(service.address) == pem(first)
        last = files.renew()
        await clock.advance(LOOK_SECONDS)
        assert await shown(service.address) == pem(last)


async def test_a_certificate_that_cannot_be_read_is_told_at_the_start(files):
    files.renew(key=b"no key")
    with pytest.raises(ConfigurationError, match="TASKACTION_ACTIONS_TLS_CERT_FILE"):
        async with served(**files.settings):
            pass
