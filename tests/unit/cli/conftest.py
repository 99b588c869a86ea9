"""What holds for all commands that are run inside the process of the tests."""

import pytest


@pytest.fixture(autouse=True)
def unconfigured(monkeypatch) -> None:
    """Leave the logs of this process, which is not the command's, as they are."""
    monkeypatch.setattr("taskaction.runtime.logs.configure_logs", lambda *_: None)
