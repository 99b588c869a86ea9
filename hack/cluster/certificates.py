"""The cluster's own certificate authority, by trustme; keeps keys in memory and writes nothing by itself."""

from collections.abc import Sequence
from dataclasses import dataclass

import trustme

ORGANIZATION = "taskaction-local"
CLIENT = "client.invalid"
"""The alternative name of client certificates: Go refuses a certificate without one, and no server has this name."""


@dataclass(frozen=True)
class KeyPair:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes


class Authority:
    """Signs what the programs of one cluster need to trust each other; its certificates are valid until 2038."""

    def __init__(self) -> None:
        """Create the authority's own key and self-signed certificate."""
        self._ca = trustme.CA(organization_name=ORGANIZATION)

    @property
    def certificate(self) -> bytes:
        """The certificate that everybody trusts."""
        return self._ca.cert_pem.bytes()

    def server(self, name: str, addresses: Sequence[str]) -> KeyPair:
        """Issue a server certificate for names and IP addresses."""
        return self._issue(name, ORGANIZATION, addresses)

    def client(self, name: str, group: str = ORGANIZATION) -> KeyPair:
        """Issue a client certificate; Kubernetes reads the user from the name and the group from the organization."""
        return self._issue(name, group, [CLIENT])

    def _issue(self, name: str, organization: str, addresses: Sequence[str]) -> KeyPair:
        issued = self._ca.issue_cert(*addresses, common_name=name, organization_name=organization)
        return KeyPair(issued.cert_chain_pems[0].bytes(), issued.private_key_pem.bytes())
