"""S23: escape sequences in what a container, target or author wrote do not reach the terminal of who reads it."""

import os
import pty
import subprocess
from pathlib import Path

import pytest

from cluster.kubectl import Kubectl
from support import preloaded
from support.actions import action, create, wait_for_phase
from support.api import create_object

EVIL = "\x1b[2J\x1b]0;owned\x07 approve \x9b31m\x7f\rdenied"
COMMANDS = [("get",), ("get", "ask"), ("describe", "ask"), ("tree", "ask"), ("describe", "run"), ("get", "-o", "wide")]


@pytest.fixture
def shown(operator, attacker: Kubectl) -> Kubectl:
    """A namespace in which an action waits with such a prompt, below a parent, and one of a flow, too."""
    create(attacker, [action("ask", "approval", {"prompt": EVIL})])
    definition = {
        "StartAt": "Ask",
        "States": {"Ask": {"Type": "Action", "ActionUrl": "approval", "Parameters": {"prompt": EVIL}, "End": True}},
    }
    create_object(
        attacker,
        {
            "apiVersion": "taskaction.dev/v1alpha1",
            "kind": "ActionFlowRun",
            "metadata": {"name": "run"},
            "spec": {"definition": definition, "label": "evil"},
        },
    )
    wait_for_phase(attacker, "ask", "Paused")
    return attacker


def environment(kubeconfig: Path) -> dict[str, str]:
    return {**os.environ, "KUBECONFIG": str(kubeconfig), "TERM": "dumb", "NO_COLOR": "1"}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_s23_commands_escape_control_characters(shown: Kubectl, kubeconfig: Path, words: tuple[str, ...]) -> None:
    ended = preloaded.run([*words, f"--namespace={shown.namespace}"], environment(kubeconfig))
    text = ended.stdout + ended.stderr
    assert "ask" in text or "run" in text
    assert not [sign for sign in text if (sign < " " or "\x7f" <= sign < "\xa0") and sign not in "\t\n"]
    if words == ("describe", "ask"):
        assert "^[[2J^[]0;owned" in text


def test_s23_a_terminal_gets_them_escaped_too(shown: Kubectl, kubeconfig: Path) -> None:
    ours, screen = pty.openpty()
    command = [str(preloaded.COMMAND), "describe", "ask", f"--namespace={shown.namespace}"]
    subprocess.run(command, env=environment(kubeconfig), stdout=screen, stderr=screen, timeout=100, check=False)
    os.close(screen)
    text = b""
    while True:
        try:
            piece = os.read(ours, 65_536)
        except OSError:  # the terminal is closed
            break
        text += piece
    os.close(ours)
    assert b"^[[2J^[]0;owned" in text
    assert b"\x1b[2J" not in text
    assert b"\x1b]0" not in text
