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
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
        # Only 2000::/3 is global unicast. Outside of it are loopback, unique-local, link-local, site-local, multicast,
        # and every form that translates to IPv4: ::/96, ::ffff:0:0:0/96, 64:ff9b:1::/48.
        "::/3",
        "4000::/2",
        "8000::/1",
        "2001::/23",  # protocol assignments, among them Teredo, benchmarks and ORCHID
        "2001:db8::/32",  # documentation
        "3fff::/20",  # documentation
    )
)
"""Denied unless an operator setting allows them: what IANA's special-purpose registries do not call global."""

_SAME_AS_IPV4 = ip_network("64:ff9b::/96")
"""The well-known prefix of NAT64: in a network without IPv4 every IPv4 address is written with it."""

_ENDS_IN_IPV4 = tuple(ip_network(text) for text in ("::/96", "::ffff:0:0:0/96", "64:ff9b:1::/48"))
_ISATAP = frozenset({0x0000_5EFE, 0x0200_5EFE})
_LAST_32_BITS = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """Allow and deny list of addresses; ``allowed`` networks take precedence over denied ones."""

    allowed: tuple[Network, ...] = ()

    def permits(self, address: str) -> bool:
        """Whether the operator may connect to ``address``."""
        return all(
            _is_in(form, self.allowed) or not _is_in(form, DENIED)
            for form in _forms(ip_address(address.partition("%")[0]))
        )

    def check(self, address: str, shown: str = "") -> None:
        """Raise unless the operator may connect to ``address``.

        ``shown`` is what the user wrote: the address of a name is not shown, since it describes an internal network.

        Raises:
            AddressDeniedError: it may not; the message names the setting that can allow it.
        """
        if not self.permits(address):
            raise denial(shown or address)


def denial(shown: str) -> AddressDeniedError:
    """Return the error for what the user wrote, with the setting that can allow it."""
    return AddressDeniedError(
        f"{shown} is in a range that actions may not reach; an administrator can allow it with the operator setting "
        "TASKACTION_HTTP_ALLOWED_CIDRS"
    )


def parse_networks(text: str) -> tuple[Network, ...]:
    """Return the networks of a comma-separated list; raises ``ValueError`` for an invalid CIDR."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def _is_in(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _forms(address: Address) -> tuple[Address, ...]:
    """Return the address and every IPv4 address embedded in it: each of them must be allowed."""
    if isinstance(address, IPv4Address):
        return (address,)
    last = IPv4Address(int(address) & _LAST_32_BITS)
    if address.ipv4_mapped is not None or address in _SAME_AS_IPV4:
        return (last,)  # only another way of writing the IPv4 address
    embedded: list[Address] = [address.sixtofour] if address.sixtofour is not None else []
    if address.teredo is not None:
        embedded.extend(address.teredo)
    translated = int(address) > 1 and any(address in network for network in _ENDS_IN_IPV4)
    if translated or (int(address) >> 32) & _LAST_32_BITS in _ISATAP:
        embedded.append(last)
    return (address, *embedded)
