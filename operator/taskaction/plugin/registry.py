"""Which executors there are: the built-ins and the plug-ins, by entry point; built once and handed in."""

from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol

from taskaction.core.errors import TaskActionError
from taskaction.plugin.base import AbstractExecutor
from taskaction.plugin.toolbox import Toolbox

GROUP = "taskaction.executors"


class DuplicateActionExecutorError(TaskActionError):
    """Two executors have the same name (the name is the Ocean seed's)."""

    def __init__(self, name: str) -> None:
        super().__init__(f"an executor called {name!r} is registered already")


@dataclass(frozen=True, slots=True)
class LoadFailure:
    """A plug-in that could not be loaded: part of readiness, never a silent skip."""

    entry_point: str
    error: str


class Plugin(Protocol):
    """What an entry point names, or a program hands in: a class of executors, or anything else that makes one."""

    def build(self, toolbox: Toolbox) -> AbstractExecutor:
        """Make the executor."""


class Registry:
    """The executors by name."""

    def __init__(self) -> None:
        self._executors: dict[str, AbstractExecutor] = {}
        self.failures: list[LoadFailure] = []

    @staticmethod
    def installed(name: str) -> type[AbstractExecutor] | None:
        """Give the class of an installed executor without making it; None where there is none that can be loaded."""
        for point in entry_points(group=GROUP, name=name):
            try:
                found = point.load()
            except (Exception, SystemExit):  # noqa: BLE001 - a plug-in's import may raise anything
                return None
            return found if isinstance(found, type) and issubclass(found, AbstractExecutor) else None
        return None

    @classmethod
    def load(cls, toolbox: Toolbox) -> "Registry":
        """Give a registry of everything that is installed under the entry point group ``taskaction.executors``.

        The built-ins come first, so that no plug-in takes the place of one by its name.
        """
        registry = cls()
        for point in sorted(entry_points(group=GROUP), key=lambda point: not point.value.startswith(f"{GROUP}.")):
            registry.load_one(point, toolbox)
        return registry

    def load_one(self, point: EntryPoint, toolbox: Toolbox) -> None:
        """Take in one entry point; a failure is kept, so that readiness and the log can tell of it."""
        try:
            self.register(point.load().build(toolbox))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plug-in's import may raise anything
            self.failures.append(LoadFailure(point.name, f"{type(error).__name__}: {error}"))

    def register(self, executor: AbstractExecutor) -> None:
        """Take in an executor; raises ``DuplicateActionExecutorError``."""
        if executor.ACTION_NAME in self._executors:
            raise DuplicateActionExecutorError(executor.ACTION_NAME)
        self._executors[executor.ACTION_NAME] = executor

    def get(self, name: str) -> AbstractExecutor | None:
        """Give the executor of this name."""
        return self._executors.get(name)

    def names(self) -> list[str]:
        """Give all names in order."""
        return sorted(self._executors)

    def unknown_message(self, name: str) -> str:
        """Give what to tell somebody who named an executor that does not exist."""
        close = get_close_matches(name, self.names(), n=1)
        hint = f" did you mean {close[0]!r}?" if close else ""
        return f"no executor is called {name!r};{hint} there are {', '.join(self.names()) or 'none'}"

    async def close(self) -> None:
        """Close every executor, also after one that cannot; raises what they raised as a group."""
        errors: list[Exception] = []
        for executor in self._executors.values():
            try:
                await executor.close()
            except Exception as error:  # noqa: BLE001 - a plug-in may raise anything
                errors.append(error)
        if errors:
            raise ExceptionGroup("executors could not be closed", errors)
