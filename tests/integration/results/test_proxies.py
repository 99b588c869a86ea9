"""R9: requests to targets take the proxy that the operator's environment names, and its address rules hold there."""

from cluster.kubectl import Kubectl
from support.actions import action, create, wait_for
from support.operators import Operators
from support.raw_target import forward_proxy, raw_target, response


def test_r09_the_proxy_of_the_environment_is_used_within_the_address_rules(
    kubectl: Kubectl, operators: Operators
) -> None:
    with raw_target(lambda _: response()) as target, forward_proxy() as (proxy, lines):
        operators.start(
            {"HTTP_PROXY": proxy, "NO_PROXY": "localhost", "TASKACTION_HTTP_ALLOWED_CIDRS": "127.0.0.1/32,::1/128"}
        )
        hosts = {"proxied": "127.0.0.1", "direct": "localhost", "denied": "10.0.0.1", "loopback": "127.0.0.2"}
        urls = {name: f"http://{host}:{target.port}/{name}" for name, host in hosts.items()}
        create(kubectl, [action(name, "http", {"url": url}) for name, url in urls.items()])
        ended = {name: wait_for(kubectl, name)["status"] for name in hosts}
        operators.stop()
    assert lines == [f"GET http://127.0.0.1:{target.port}/proxied"]
    assert {one.line for one in target.received} == {"GET /proxied", "GET /direct"}
    assert [ended[name]["phase"] for name in ("proxied", "direct")] == ["Succeeded"] * 2
    assert [ended[name]["error"]["code"] for name in ("denied", "loopback")] == ["AddressDenied"] * 2
