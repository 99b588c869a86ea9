"""Where a process says of itself how it does: a port that is taken is told by the setting that chose it."""

import re
import socket

import pytest
from prometheus_client import CollectorRegistry

from taskaction.core.errors import ConfigurationError
from taskaction.runtime.listening import ListenAddress
from taskaction.runtime.probes import Health, ProbeServer


async def test_a_port_that_is_taken_is_told_by_the_setting_that_chose_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        probes = ProbeServer(ListenAddress("TASKACTION_OWN_BIND", bind), Health(), CollectorRegistry())
        with pytest.raises(ConfigurationError, match=re.escape(f"TASKACTION_OWN_BIND: cannot listen on {bind}")):
            await probes.start()
        await probes.stop()
