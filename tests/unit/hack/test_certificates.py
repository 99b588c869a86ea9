"""The cluster's own authority, judged by the TLS library that its clients use."""

import base64
import ssl
from pathlib import Path

import pytest
import yaml

from cluster.certificates import Authority, KeyPair
from cluster.keys import kubeconfig

STRICT = ssl.VERIFY_X509_STRICT  # the default from Python 3.13


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def handshake(server: KeyPair, client: KeyPair, *, trusted: bytes, name: str, folder: Path) -> dict[str, str]:
    """Connect both sides in memory and return the subject of the client's certificate as the server saw it."""
    ours = context(ssl.PROTOCOL_TLS_SERVER, server, trusted, folder / "server.pem")
    ours.verify_mode = ssl.CERT_REQUIRED
    theirs = context(ssl.PROTOCOL_TLS_CLIENT, client, trusted, folder / "client.pem")
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    server_side = ours.wrap_bio(up, down, server_side=True)
    client_side = theirs.wrap_bio(down, up, server_hostname=name)
    pending = [client_side, server_side, client_side, server_side]
    for side in pending:
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return {name: value for ((name, value),) in server_side.getpeercert()["subject"]}


def context(protocol: int, pair: KeyPair, trusted: bytes, file: Path) -> ssl.SSLContext:
    made = ssl.SSLContext(protocol)
    made.verify_flags |= STRICT
    made.load_verify_locations(cadata=trusted.decode())
    file.write_bytes(pair.certificate + pair.key)
    made.load_cert_chain(file)
    return made


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_server_and_client_trust_each_other(authority: Authority, tmp_path: Path, name: str) -> None:
    server = authority.server("kube-apiserver", ["127.0.0.1", "localhost"])
    client = authority.client("admin", "system:masters")
    seen = handshake(server, client, trusted=authority.certificate, name=name, folder=tmp_path)
    assert (seen["commonName"], seen["organizationName"]) == ("admin", "system:masters")


def test_a_server_under_another_name_is_refused(authority: Authority, tmp_path: Path) -> None:
    server, client = authority.server("kube-apiserver", ["127.0.0.1"]), authority.client("admin")
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        handshake(server, client, trusted=authority.certificate, name="127.0.0.2", folder=tmp_path)


def test_two_authorities_do_not_trust_each_other(authority: Authority, tmp_path: Path) -> None:
    server, client = Authority().server("kube-apiserver", ["127.0.0.1"]), authority.client("admin")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, client, trusted=authority.certificate, name="127.0.0.1", folder=tmp_path)


def test_a_client_certificate_is_no_server_certificate(authority: Authority, tmp_path: Path) -> None:
    client = authority.client("admin")
    with pytest.raises(ssl.SSLError, match="mismatch"):
        handshake(client, client, trusted=authority.certificate, name="127.0.0.1", folder=tmp_path)


def test_a_kubeconfig_refers_to_no_other_file(authority: Authority) -> None:
    user = authority.client("admin")
    content = yaml.safe_load(kubeconfig("https://127.0.0.1:1", authority.certificate, user))
    assert base64.b64decode(content["users"][0]["user"]["client-key-data"]) == user.key
    assert content["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:1"
    assert content["current-context"] == content["contexts"][0]["name"]
