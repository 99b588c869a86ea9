"""The registry of executors: built-ins and plug-ins, found by entry point and built once."""

from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol

from taskaction.core.errors import TaskActionError
from taskaction.plugin.base import AbstractExecutor
from taskaction.plugin.settings import Settings
from taskaction.plugin.toolbox import Toolbox

GROUP = "taskaction.executors"
_SHIPPED = "taskaction."
"""Beginning of the modules of the executors that come with the operator."""


class DuplicateActionExecutorError(TaskActionError):
    """Two executors have the same name (Port Ocean has an error of this name)."""

    def __init__(self, name: str) -> None:
        super().__init__(f"executor {name!r} is already registered")


@dataclass(frozen=True, slots=True)
class LoadFailure:
    """Plug-in that could not be loaded; it makes the operator unready and is never skipped silently."""

    entry_point: str
    error: str


class Plugin(Protocol):
    """Factory of an executor, named by an entry point or passed by a program; a class of executors is one."""

    def build(self, toolbox: Toolbox) -> AbstractExecutor:
        """Create the executor."""


class Registry:
    """Registry of executors by name."""

    def __init__(self) -> None:
        self._executors: dict[str, AbstractExecutor] = {}
        self.failures: list[LoadFailure] = []

    @staticmethod
    def find_installed(name: str) -> type[AbstractExecutor] | None:
        """Return the class of an installed executor without building it, or None if none can be loaded."""
        return next(map(_load_class, entry_points(group=GROUP, name=name)), None)

    @staticmethod
    def find_settings() -> dict[str, type[Settings]]:
        """Return the models of settings of installed executors, by the names of their entry points."""
        classes = {point.name: _load_class(point) for point in reversed(_installed())}
        return {name: found.SETTINGS for name, found in sorted(classes.items()) if found and found.SETTINGS}

    @classmethod
    def load(cls, toolbox: Toolbox) -> "Registry":
        """Return a registry of everything installed under the entry point group ``taskaction.executors``.

        Those that come with the operator are first, so that no plug-in can replace one by using its name.
        """
        registry = cls()
        for point in _installed():
            registry.load_one(point, toolbox)
        return registry

    def load_one(self, point: EntryPoint, toolbox: Toolbox) -> None:
        """Load one entry point; record a failure, so that readiness and the log can report it."""
        try:
            self.register(point.load().build(toolbox))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plug-in's import may raise anything
            self.failures.append(LoadFailure(point.name, f"{type(error).__name__}: {error}"))

    def register(self, executor: AbstractExecutor) -> None:
        """Add an executor; raises ``DuplicateActionExecutorError``."""
        if executor.ACTION_NAME in self._executors:
            raise DuplicateActionExecutorError(executor.ACTION_NAME)
        self._executors[executor.ACTION_NAME] = executor

    def get(self, name: str) -> AbstractExecutor | None:
        """Return the executor with this name, or None."""
        return self._executors.get(name)

    def names(self) -> list[str]:
        """Return all names, sorted."""
        return sorted(self._executors)

    def unknown_message(self, name: str) -> str:
        """Return the message for a name that no executor has."""
        close = get_close_matches(name, self.names(), n=1)
        hint = f" did you mean {close[0]!r}?" if close else ""
        return f"unknown executor {name!r};{hint} available: {', '.join(self.names()) or 'none'}"

    async def close(self) -> None:
        """Close every executor, even if one fails; raises their errors as a group."""
        errors: list[Exception] = []
        for executor in self._executors.values():
            try:
                await executor.close()
            except Exception as error:  # noqa: BLE001 - a plug-in may raise anything
                errors.append(error)
        if errors:
            raise ExceptionGroup("executors could not be closed", errors)


def find_distribution(package: str) -> str | None:
    """Return the name of the distribution that has executors in a top-level package, or None.

    It asks entry points only: ``packages_distributions`` reads half a second long what everything installed contains.
    """
    points = (point for point in _installed() if point.module.partition(".")[0] == package)
    return next((point.dist.name for point in points if point.dist is not None), None)


def _installed() -> list[EntryPoint]:
    """Return the entry points of executors; those that come with the operator are first."""
    return sorted(entry_points(group=GROUP), key=lambda point: not point.value.startswith(_SHIPPED))


def _load_class(point: EntryPoint) -> type[AbstractExecutor] | None:
    """Return the class of executors that an entry point names, or None if it cannot be loaded or is something else."""
    try:
        found = point.load()
    except (Exception, SystemExit):  # noqa: BLE001 - a plug-in's import may raise anything
        return None
    return found if isinstance(found, type) and issubclass(found, AbstractExecutor) else None
