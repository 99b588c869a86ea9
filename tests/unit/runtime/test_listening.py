"""Addresses that a process listens on: a port in use is reported by the setting that chose it."""

import re
import socket
from contextlib import closing
from typing import Any

import pytest

from taskaction.core.errors import ConfigurationError
from taskaction.runtime.listening import ListenAddress


def test_a_port_in_use_is_reported_by_the_setting_that_chose_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        expected = f"TASKACTION_OWN_BIND: cannot listen on {bind}: address already in use; choose another port"
        with pytest.raises(ConfigurationError, match=re.escape(expected)):
            ListenAddress("TASKACTION_OWN_BIND", bind).listen()


def test_an_unknown_host_is_reported_by_the_setting_that_chose_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "name not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(ConfigurationError, match=r"TASKACTION_OWN_BIND: cannot listen on nowhere:8080: .*not known"):
        ListenAddress("TASKACTION_OWN_BIND", "nowhere:8080").listen()


def test_a_name_is_served_on_each_of_its_addresses_that_the_system_has(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::1", 0, 0, 0))  # reserved for documents
    present = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [absent, present])
    [opened] = ListenAddress("TASKACTION_OWN_BIND", "both:0").listen()
    with closing(opened):
        assert opened.getsockname()[0] == "127.0.0.1"
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [absent])
    with pytest.raises(ConfigurationError, match="TASKACTION_OWN_BIND: cannot listen on both:0"):
        ListenAddress("TASKACTION_OWN_BIND", "both:0").listen()


def test_no_socket_is_left_open_when_one_address_is_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))
        used = (socket.AF_INET, socket.SOCK_STREAM, 6, "", taken.getsockname())
        opened: list[socket.socket] = []
        create = socket.create_server
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [free, used])
        monkeypatch.setattr(socket, "create_server", lambda *a, **k: opened.append(create(*a, **k)) or opened[-1])
        with pytest.raises(ConfigurationError):
            ListenAddress("TASKACTION_OWN_BIND", "both:0").listen()
    assert [one.fileno() for one in opened] == [-1]


def test_the_system_finds_connections_that_are_dead_or_stalled() -> None:
    [opened] = ListenAddress("TASKACTION_OWN_BIND", "127.0.0.1:0").listen(stalled=2.5)
    with closing(opened):
        assert opened.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 2500
