"""Imports of plug-ins for the release before this one still work, with a warning that names the new path."""

import sys
from importlib import import_module

import pytest

from support.runs import toolbox
from taskaction import plugin
from taskaction.integrations.port import ocean
from taskaction.testing import conformance

NAMES = {
    "taskaction.executors.addresses": (plugin, ["AddressPolicy"]),
    "taskaction.executors.base": (
        plugin,
        ["AbstractExecutor", "Correlation", "Delivery", "Reporter", "Run", "SecretReader", "WebhookRequest"],
    ),
    "taskaction.executors.errors": (
        plugin,
        [
            "AccessDeniedError",
            "ActionError",
            "ActionExecutionError",
            "AddressDeniedError",
            "InvalidParametersError",
            "MissingSourceError",
            "RateLimitedError",
            "TransientError",
            "WebhookRefusedError",
        ],
    ),
    "taskaction.executors.parameters": (plugin, ["Parameters"]),
    "taskaction.executors.toolbox": (plugin, ["Toolbox"]),
    "taskaction.executors.conformance": (conformance, ["ExecutorConformance"]),
    "taskaction.compat.ocean": (ocean, ocean.__all__),
}


def test_the_source_of_randomness_has_its_former_name() -> None:
    given = toolbox()
    with pytest.warns(DeprecationWarning, match="use Toolbox.jitter$"):
        assert given.luck is given.jitter


@pytest.mark.parametrize("path", NAMES)
def test_a_former_path_has_the_same_names_and_names_the_new_path(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, path, raising=False)
    target, names = NAMES[path]
    with pytest.warns(DeprecationWarning, match=rf"{path} is deprecated; import from {target.__name__}$"):
        former = import_module(path)
    assert [name for name in names if getattr(former, name, None) is not getattr(target, name)] == []
