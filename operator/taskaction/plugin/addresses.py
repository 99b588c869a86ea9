"""The policy for network addresses that users may have the operator connect to; decided by address, never by name."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from taskaction.plugin.errors import AddressDeniedError

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

DENIED: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local, and the clouds' metadata services
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
        "::/128",  # this host
        "::1/128",  # loopback
        "fc00::/7",  # unique-local
        "fe80::/10",  # link-local
        "fec0::/10",  # site-local
        "ff00::/8",  # multicast
    )
)
"""Denied unless an operator setting allows them."""

_NAT64 = ip_network("64:ff9b::/96")
_IPV4_COMPATIBLE = ip_network("::/96")


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """Allow and deny list of addresses; ``allowed`` networks take precedence over denied ones."""

    allowed: tuple[Network, ...] = ()

    def check(self, text: str) -> None:
        """Raise unless the operator may connect to the address.

        Raises:
            AddressDeniedError: it may not; the message names the setting that can allow it.
        """
        address = ip_address(text.partition("%")[0])
        for form in _forms(address):
            if any(form.version == network.version and form in network for network in self.allowed):
                continue
            if any(form.version == network.version and form in network for network in DENIED):
                raise AddressDeniedError(
                    f"{address} is in a range that actions may not reach; an administrator can allow it with the "
                    "operator setting TASKACTION_HTTP_ALLOWED_CIDRS"
                )


def parse_networks(text: str) -> tuple[Network, ...]:
    """Return the networks of a comma-separated list; raises ``ValueError`` for an invalid CIDR."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def _forms(address: Address) -> tuple[Address, ...]:
    """Return the address and every IPv4 address embedded in it: each of them must be allowed."""
    if isinstance(address, IPv4Address):
        return (address,)
    carried: list[Address] = [inner for inner in (address.ipv4_mapped, address.sixtofour) if inner is not None]
    if address.teredo is not None:
        carried.extend(address.teredo)
    if address in _NAT64 or (address in _IPV4_COMPATIBLE and int(address) > 1):
        carried.append(IPv4Address(int(address) & 0xFFFFFFFF))
    if address.ipv4_mapped is not None:
        return tuple(carried)  # the mapped form is only another way of writing the IPv4 address
    return (address, *carried)
