"""S25 and S27: no IPv6 form of a denied address is reached, and no message tells what an internal name resolves to."""

import socket

import pytest

from cluster.kubectl import Kubectl
from support.actions import action, create, wait_for
from support.operators import Operators

FORMS = [
    "[64:ff9b:1::127.0.0.1]",
    "[64:ff9b:1:7f00:0:100::]",
    "[::ffff:0:127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[2002:7f00:1::1]",
    "[2a00::5efe:127.0.0.1]",
    "[100::1]",
    "[5f00::1]",
    "[2001:db8::1]",
    "[3fff::1]",
]


@pytest.fixture(scope="module")
def strict(operators: Operators) -> None:
    """An operator that may reach no internal address."""
    operators.start({"TASKACTION_HTTP_ALLOWED_CIDRS": ""})


@pytest.mark.usefixtures("strict")
def test_s25_no_form_of_a_denied_address_is_reached(attacker: Kubectl) -> None:
    names = {f"form-{number}": form for number, form in enumerate(FORMS)}
    create(attacker, [action(name, "http", {"url": f"http://{form}/"}) for name, form in names.items()])
    for name, form in names.items():
        assert wait_for(attacker, name)["status"]["error"]["code"] == "AddressDenied", form


@pytest.mark.usefixtures("strict")
def test_s27_the_message_names_only_what_the_user_wrote(attacker: Kubectl) -> None:
    name = socket.gethostname()
    addresses = {str(found[4][0]) for found in socket.getaddrinfo(name, None)}
    create(attacker, [action("peek", "http", {"url": f"http://{name}:9/"})])
    status = wait_for(attacker, "peek")["status"]
    assert status["error"]["code"] == "AddressDenied"
    assert status["message"].startswith(f"{name} is in a range that actions may not reach")
    assert not [address for address in addresses if address in status["message"]]
