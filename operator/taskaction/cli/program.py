"""Assembly of all commands for people; runs one of them and returns its exit code."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from taskaction import __version__
from taskaction.cli import flows, local, schedules, servers
from taskaction.cli.describe import describe
from taskaction.cli.doctor import doctor
from taskaction.cli.errors import CommandError
from taskaction.cli.escaping import write_text
from taskaction.cli.exit_codes import Exit
from taskaction.cli.get import get, watch
from taskaction.cli.logs import logs
from taskaction.cli.mutate import abort, resume, signal, suspend
from taskaction.cli.outputs import output
from taskaction.cli.providers import providers
from taskaction.cli.run import retry
from taskaction.cli.run import run as run_action
from taskaction.cli.session import Connect
from taskaction.cli.tree import tree
from taskaction.cli.wait import wait
from taskaction.core.errors import TaskActionError

PLUGIN = "kubectl-taskaction"
"""Name under which kubectl finds this program as a plug-in."""
_BY_KUBECTL = "kubectl taskaction"


COMMANDS = (
    run_action,
    get,
    watch,
    tree,
    describe,
    output,
    logs,
    abort,
    retry,
    signal,
    suspend,
    resume,
    wait,
    providers,
    doctor,
)
"""Commands on actions, in the order of the help."""


def _version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it so
    if wanted:
        write_text(__version__, sys.stdout)
        raise typer.Exit


def root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Actions on Kubernetes: one resource is one action."""


def build_program() -> typer.Typer:
    """Return the complete command line."""
    app = typer.Typer(
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        callback=root,
        add_completion=program_name() != _BY_KUBECTL,  # there it is kubectl's own
    )
    for command in COMMANDS:
        app.command(command.__name__)(command)
    app.add_typer(flows.app, name="flow")
    app.add_typer(schedules.app, name="schedule")
    app.add_typer(local.app, name="local")
    for name, group in servers.server_groups().items():
        app.add_typer(group, name=name)
    return app


def run(words: Sequence[str], connect: Connect | None = None) -> int:
    """Run one command and return its exit code; ``connect`` replaces the connection to a real cluster."""
    try:
        build_program()(args=list(words), prog_name=program_name(), obj=connect)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(bool(end.code))
    except TaskActionError as error:
        write_text(f"taskaction: {error}", sys.stderr)
        return error.code if isinstance(error, CommandError) else Exit.USAGE
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader of the pipe has closed it
        return Exit.DONE
    return Exit.DONE


def program_name() -> str:
    """Return the name by which the user started the program."""
    return _BY_KUBECTL if Path(sys.argv[0]).name == PLUGIN else "taskaction"
