"""Executors are found by entry point; one that cannot be loaded is told of and harms no other."""

from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from support.broken_executors import Sound
from support.runs import toolbox
from taskaction.core.errors import ConfigurationError
from taskaction.executors.basic import NoopExecutor, SleepExecutor
from taskaction.integrations.flyte.executor.executor import FlyteExecutor
from taskaction.integrations.flyte.executor.settings import FlyteSettings
from taskaction.plugin.registry import GROUP, DuplicateActionExecutorError, Registry, find_distribution
from taskaction.plugin.settings import SettingsReader

BUILT_IN = ["approval", "fail", "http", "noop", "sleep", "wait"]

MODULE = """
from taskaction.plugin.base import AbstractExecutor
from taskaction.lifecycle.outcomes import Succeeded
from taskaction.plugin.settings import Settings


class Mine(AbstractExecutor):
    ACTION_NAME = "mine"

    async def execute(self, run):
        return Succeeded(output="mine")


class Noop(Mine):
    ACTION_NAME = "noop"


class Wishes(Settings, env_prefix="WISHES_"):
    count: int = 1


class Wishing(Mine):
    ACTION_NAME = "wishing"
    SETTINGS = Wishes

    def __init__(self, count):
        self.count = count

    @classmethod
    def build(cls, toolbox):
        return cls(toolbox.settings(Wishes).count)


class Nameless(AbstractExecutor):
    async def execute(self, run):
        return Succeeded()


class Abstract(AbstractExecutor):
    ACTION_NAME = "abstract"


class Refuses(Mine):
    ACTION_NAME = "refuses"

    @classmethod
    def build(cls, toolbox):
        raise RuntimeError("no credentials")


class BuildsNothing(Mine):
    ACTION_NAME = "builds-nothing"

    @classmethod
    def build(cls, toolbox):
        return None


number = 7
"""


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on Python's path, as a plug-in's installation leaves it."""
    (tmp_path / "registry_plugin.py").write_text(MODULE)
    (tmp_path / "registry_broken.py").write_text("1 / 0")
    (tmp_path / "registry_exits.py").write_text("import sys; sys.exit('wrong licence')")
    (tmp_path / "registry_syntax.py").write_text("def (")
    (tmp_path / "registry_needs.py").write_text("import a_library_that_is_not_installed")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def point(value: str, name: str = "mine") -> EntryPoint:
    return EntryPoint(name, value, GROUP)


async def test_the_built_ins_are_found_by_entry_point() -> None:
    registry = Registry.load(toolbox())
    assert set(BUILT_IN) <= set(registry.names())
    assert registry.failures == []
    assert all(registry.get(name) for name in BUILT_IN)
    await registry.close()


async def test_an_installed_plug_in_is_found(plugins: Path) -> None:
    info = plugins / "registry_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: registry-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        f"[{GROUP}]\nmine = registry_plugin:Mine\nbroken = registry_broken:Mine\nnoop2 = registry_plugin:Noop\n"
        "flyte = registry_plugin:Noop\nwishing = registry_plugin:Wishing\n"
    )
    registry = Registry.load(toolbox())
    assert set(registry.names()) >= {*BUILT_IN, "mine"}
    assert {failure.entry_point for failure in registry.failures} == {"broken", "noop2", "flyte"}
    assert isinstance(registry.get("noop"), NoopExecutor)  # though the plug-in's folder comes first on the path
    assert isinstance(registry.get("flyte"), FlyteExecutor)
    await registry.close()

    settings = Registry.find_settings()
    assert set(settings) == {"flyte", "http", "wishing"}
    assert settings["flyte"] is FlyteSettings
    reader = SettingsReader({"WISHES_COUNT": "3"})
    assert reader.check(*settings.values()).warnings == []
    wishing = Registry.load(replace(toolbox(), settings=reader)).get("wishing")
    assert getattr(wishing, "count", None) == 3
    with pytest.raises(ConfigurationError, match='WISHES_COUNT: invalid value "many"; use a whole number'):
        SettingsReader({"WISHES_COUNT": "many"}).check(*settings.values())
    assert find_distribution("registry_plugin") == "registry-plugin"
    assert find_distribution("registry_needs") is None


UNLOADABLE = {
    "an error in the module": ("registry_broken:Mine", "ZeroDivisionError: division by zero"),
    "an exit in the module": ("registry_exits:Mine", "SystemExit: wrong licence"),
    "no Python": ("registry_syntax:Mine", "SyntaxError: "),
    "a missing library": ("registry_needs:Mine", "ModuleNotFoundError: No module named 'a_library_that"),
    "no such module": ("registry_nowhere:Mine", "ModuleNotFoundError: "),
    "no such class": ("registry_plugin:Yours", "AttributeError: "),
    "no executor": ("registry_plugin:number", "AttributeError: "),
    "no name": ("registry_plugin:Nameless", "AttributeError: "),
    "no execute": ("registry_plugin:Abstract", "TypeError: "),
    "an error when it is built": ("registry_plugin:Refuses", "RuntimeError: no credentials"),
    "nothing built": ("registry_plugin:BuildsNothing", "AttributeError: "),
}


@pytest.mark.parametrize(("value", "error"), UNLOADABLE.values(), ids=UNLOADABLE)
def test_a_plug_in_that_does_not_load_is_told_of_and_harms_no_other(plugins: Path, value: str, error: str) -> None:
    registry = Registry()
    registry.load_one(point(value, "theirs"), toolbox())
    registry.load_one(point("registry_plugin:Mine"), toolbox())
    (failure,) = registry.failures
    assert failure.entry_point == "theirs"
    assert failure.error.startswith(error)
    assert registry.names() == ["mine"]


def test_the_first_of_two_with_one_name_stays(plugins: Path) -> None:
    registry = Registry()
    first = NoopExecutor()
    registry.register(first)
    registry.load_one(point("registry_plugin:Noop", "theirs"), toolbox())
    assert registry.get("noop") is first
    (failure,) = registry.failures
    assert failure.error == "DuplicateActionExecutorError: executor 'noop' is already registered"


def test_a_name_is_registered_once() -> None:
    registry = Registry()
    registry.register(NoopExecutor())
    with pytest.raises(DuplicateActionExecutorError, match="'noop' is already registered"):
        registry.register(NoopExecutor())


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("slep", "unknown executor 'slep'; did you mean 'sleep'? available: noop, sleep"),
        ("kubernetes", "unknown executor 'kubernetes'; available: noop, sleep"),
        ("", "unknown executor ''; available: noop, sleep"),
    ],
)
def test_an_unknown_name_is_answered_with_those_that_there_are(name: str, told: str) -> None:
    registry = Registry()
    registry.register(SleepExecutor())
    registry.register(NoopExecutor())
    assert registry.get(name) is None
    assert registry.unknown_message(name) == told


def test_an_empty_registry_says_so() -> None:
    assert Registry().unknown_message("noop") == "unknown executor 'noop'; available: none"


async def test_every_executor_is_closed_also_after_one_that_cannot_be() -> None:
    closed: list[str] = []

    class Stuck(Sound):
        ACTION_NAME = "a-stuck-one"

        async def close(self) -> None:
            raise OSError("still busy")

    class Tidy(Sound):
        async def close(self) -> None:
            closed.append(self.ACTION_NAME)

    registry = Registry()
    registry.register(Stuck())
    registry.register(Tidy())
    with pytest.raises(ExceptionGroup, match="executors could not be closed") as failure:
        await registry.close()
    assert closed == ["sound"]
    assert str(failure.value.exceptions[0]) == "still busy"
