"""Which addresses users may have the operator connect to, however an address is written or wrapped."""

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskaction.plugin.addresses import DENIED, AddressPolicy, parse_networks
from taskaction.plugin.errors import AddressDeniedError

NOTHING_ALLOWED = AddressPolicy()


def denied(text: str, policy: AddressPolicy = NOTHING_ALLOWED) -> bool:
    try:
        policy.check(text)
    except AddressDeniedError:
        return True
    return False


INSIDE = {
    "this host": ("0.0.0.0", "0.255.255.255", "::"),
    "loopback": ("127.0.0.1", "127.255.255.254", "::1"),
    "private": ("10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.255.255"),
    "carrier": ("100.64.0.1", "100.127.255.255"),
    "link-local": ("169.254.0.1", "fe80::1", "febf::1", "fe80::1%eth0"),
    "metadata": ("169.254.169.254", "fd00:ec2::254"),
    "unique-local": ("fc00::1", "fdff:ffff::1"),
    "site-local": ("fec0::1",),
    "multicast": ("224.0.0.1", "239.255.255.255", "ff02::1"),
    "reserved": ("240.0.0.1", "255.255.255.255", "198.18.0.1", "198.19.255.255", "192.0.0.1"),
}
OUTSIDE = {
    "before and after private": ("9.255.255.255", "11.0.0.0", "172.15.255.255", "172.32.0.0", "192.167.0.1"),
    "before and after carrier": ("100.63.255.255", "100.128.0.0"),
    "before and after link-local": ("169.253.255.255", "169.255.0.0"),
    "before and after loopback": ("126.255.255.255", "128.0.0.0"),
    "public": ("1.1.1.1", "93.184.216.34", "2606:4700::1111", "2a00::1"),
}
CARRIERS = {
    "mapped": "::ffff:{}",
    "mapped, in hexadecimal": "::ffff:{hex}",
    "compatible": "::{}",
    "NAT64": "64:ff9b::{}",
    "6to4": "2002:{hex}::1",
}
INNER = ["127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.1.1", "100.64.0.1"]


def carried(form: str, inner: str) -> str:
    """Write an IPv4 address inside of an IPv6 one."""
    number = int(IPv4Address(inner))
    return form.format(inner, hex=f"{number >> 16:x}:{number & 0xFFFF:x}")


@pytest.mark.parametrize("addresses", INSIDE.values(), ids=INSIDE)
def test_what_is_not_the_public_network_is_denied(addresses: tuple[str, ...]) -> None:
    assert [text for text in addresses if not denied(text)] == []


@pytest.mark.parametrize("addresses", OUTSIDE.values(), ids=OUTSIDE)
def test_the_public_network_is_reachable(addresses: tuple[str, ...]) -> None:
    assert [text for text in addresses if denied(text)] == []


@pytest.mark.parametrize("form", CARRIERS.values(), ids=CARRIERS)
@pytest.mark.parametrize("inner", INNER)
def test_a_denied_address_inside_of_another_one_is_denied(form: str, inner: str) -> None:
    assert denied(carried(form, inner))


def test_a_teredo_address_is_judged_by_both_ends() -> None:
    client = 0xFFFFFFFF ^ int(IPv4Address("10.0.0.1"))
    base = 0x20010000 << 96
    assert denied(str(IPv6Address(base | int(IPv4Address("93.184.216.34")) << 64 | client)))
    assert denied(str(IPv6Address(base | int(IPv4Address("10.0.0.1")) << 64 | 0xFFFFFFFF ^ 0x5DB8D822)))


@given(st.ip_addresses(v=4))
@settings(max_examples=200)
def test_an_address_and_its_mapped_form_are_judged_alike(address: IPv4Address) -> None:
    assert denied(str(address)) is denied(f"::ffff:{address}")


@given(st.sampled_from(DENIED), st.data())
@settings(max_examples=200)
def test_no_address_of_a_denied_network_is_reachable(network: object, data: st.DataObject) -> None:
    address = data.draw(st.ip_addresses(network=str(network)))
    assert denied(str(address))


# -- what the platform allows ------------------------------------------------------------------------------------------


def test_what_is_allowed_wins_and_nothing_else_is_let_in() -> None:
    policy = AddressPolicy(parse_networks("10.1.0.0/16, fd00:1::/32"))
    reachable = ["10.1.2.3", "::ffff:10.1.2.3", "fd00:1::5", "1.1.1.1"]
    assert [text for text in reachable if denied(text, policy)] == []
    assert all(denied(text, policy) for text in ("10.2.0.1", "127.0.0.1", "fd00:2::5", "::1"))


def test_an_address_that_is_allowed_outside_and_denied_inside_is_denied() -> None:
    policy = AddressPolicy((ip_network("2002::/16"),))
    assert denied(carried(CARRIERS["6to4"], "169.254.169.254"), policy)


def test_loopback_of_one_family_does_not_allow_the_other() -> None:
    assert denied("::1", AddressPolicy(parse_networks("127.0.0.0/8")))
    assert denied("127.0.0.1", AddressPolicy(parse_networks("::1/128")))


def test_all_networks_may_be_allowed() -> None:
    policy = AddressPolicy(parse_networks("0.0.0.0/0,::/0"))
    assert not any(denied(text, policy) for texts in INSIDE.values() for text in texts)


def test_the_refusal_says_which_setting_would_allow_it_and_that_no_retry_helps() -> None:
    with pytest.raises(AddressDeniedError, match=r"^10\.0\.0\.1 is in a range .* TASKACTION_HTTP_ALLOWED_CIDRS$") as no:
        NOTHING_ALLOWED.check("10.0.0.1")
    assert no.value.RETRY_CLASS is None


@pytest.mark.parametrize(("text", "count"), [("", 0), (" , ", 0), ("10.0.0.0/8", 1), ("10.0.0.0/8, ::1/128,", 2)])
def test_networks_are_read_from_a_list(text: str, count: int) -> None:
    assert len(parse_networks(text)) == count


@pytest.mark.parametrize("text", ["10.0.0.1/8", "localhost", "10.0.0.0/33", "10.0.0.0/8;::1"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"host bits|IPv4 or IPv6"):
        parse_networks(text)


# -- IANA's registries -------------------------------------------------------------------------------------------------

SPECIAL = {
    # iana-ipv4-special-registry: everything that is not globally reachable
    "0.0.0.0/8": True,
    "10.0.0.0/8": True,
    "100.64.0.0/10": True,
    "127.0.0.0/8": True,
    "169.254.0.0/16": True,
    "172.16.0.0/12": True,
    "192.0.0.0/24": True,
    "192.0.2.0/24": True,
    "192.88.99.0/24": True,
    "192.168.0.0/16": True,
    "198.18.0.0/15": True,
    "198.51.100.0/24": True,
    "203.0.113.0/24": True,
    "240.0.0.0/4": True,
    "255.255.255.255/32": True,
    # iana-ipv6-special-registry
    "::1/128": True,
    "::/128": True,
    "64:ff9b:1::/48": True,
    "100::/64": True,
    "100:0:0:1::/64": True,
    "2001::/23": True,
    "2001::/32": True,
    "2001:2::/48": True,
    "2001:10::/28": True,
    "2001:db8::/32": True,
    "3fff::/20": True,
    "5f00::/16": True,
    "fc00::/7": True,
    "fe80::/10": True,
    # IPv4 in IPv6 whatever the IPv4 address is: RFC 2765, RFC 4291, RFC 8215; the last is not a registry's
    "::ffff:0:0:0/96": True,
    "::/96": True,
    # globally reachable
    "192.31.196.0/24": False,
    "192.52.193.0/24": False,
    "192.175.48.0/24": False,
    "2620:4f:8000::/48": False,
}


@pytest.mark.parametrize(("network", "expected"), SPECIAL.items(), ids=SPECIAL)
def test_the_registries_decide(network: str, expected: bool) -> None:
    found = ip_network(network)
    assert {denied(str(found[0])), denied(str(found[-1])), denied(str(found[found.num_addresses // 2]))} == {expected}


@pytest.mark.parametrize("inner", ["1.1.1.1", "10.0.0.1", "169.254.169.254"])
@pytest.mark.parametrize("form", ["64:ff9b:1::{}", "::ffff:0:{}", "::{}", "2a00::5efe:{}", "64:ff9b::{}", "::ffff:{}"])
def test_translated_addresses_are_reached_only_in_a_form_that_is_public(form: str, inner: str) -> None:
    public_form = form in {"2a00::5efe:{}", "64:ff9b::{}", "::ffff:{}"}
    assert denied(form.format(inner)) is not (public_form and inner == "1.1.1.1")


def test_what_an_allowed_translation_leads_to_must_be_allowed_too() -> None:
    policy = AddressPolicy(parse_networks("64:ff9b:1::/48"))
    assert denied("64:ff9b:1::10.0.0.1", policy)
    assert not denied("64:ff9b:1::1.1.1.1", policy)


def test_the_message_names_only_what_the_user_wrote() -> None:
    with pytest.raises(AddressDeniedError) as refusal:
        NOTHING_ALLOWED.check("10.1.2.3", shown="db.internal")
    assert "10.1.2.3" not in str(refusal.value)
    assert str(refusal.value).startswith("db.internal is in a range")
