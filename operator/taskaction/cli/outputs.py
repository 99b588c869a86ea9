"""``output``: prints the output of an action or run, also one that did not fit into its object."""

import os
import shlex
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Console

from taskaction.api.bodies import at, has_ended, phase_of
from taskaction.cli import completion
from taskaction.cli.commands import on_cluster
from taskaction.cli.errors import CommandError
from taskaction.cli.exit_codes import Exit
from taskaction.cli.objects import fetch_objects, ref_of
from taskaction.cli.output import Output, as_json, print_data, print_line, print_objects
from taskaction.cli.session import Session
from taskaction.cluster.gateway import Body
from taskaction.core.errors import TaskActionError
from taskaction.plugin.storage import STORAGE_SETTING, ProjectStorage, StorageError, validate_folder

_LOCAL = "file://"

Folder = Annotated[
    str | None,
    typer.Option(
        "--storage",
        metavar="FOLDER",
        envvar=STORAGE_SETTING,
        help="The operator's storage, for an output that is not in the object. Default: $TASKACTION_STORAGE.",
    ),
]


@on_cluster
async def output(
    session: Session,
    name: Annotated[str, typer.Argument(help="Name of an action, or KIND/NAME.", autocompletion=completion.runs)],
    *,
    storage: Folder = None,
) -> None:
    """Print the output of an action or run of a flow.

    The credentials for a storage are those of your environment, as the tools of its provider read them.
    """
    (body,) = await fetch_objects(session, [name])
    _print_output(session.out, await read_output(body, storage))


async def print_results(session: Session, ended: Sequence[Body], form: Output | None) -> None:
    """Print ended objects: complete in the given format, otherwise only their outputs."""
    if form is not None:
        print_objects(session.out, ended, form, single=len(ended) == 1)
        return
    for body in ended:
        if not has_output(body):
            continue
        try:
            _print_output(session.out, await read_output(body, os.environ.get(STORAGE_SETTING)))
        except TaskActionError as error:  # the exit code is the result of the action
            print_line(session.err, str(error))


def has_output(body: Body) -> bool:
    """Whether an object has an output that a command can print."""
    return at(body, "status.output") is not None or is_stored(body)


def is_stored(body: Body) -> bool:
    """Whether the output of an object is in the storage."""
    from taskaction.plugin.stored_outputs import find_stored_output

    return find_stored_output(body["kind"], body) is not None


async def read_output(body: Body, folder: str | None) -> Any:
    """Return the output of an object; raise ``CommandError`` if there is none, or it cannot be read in ``folder``.

    Nothing but that folder is opened: whoever may write a status can name any file in it.
    """
    from taskaction.plugin.stored_outputs import OutputLostError, StoredOutputs, find_stored_output

    stored, ref = find_stored_output(body["kind"], body), ref_of(body)
    if stored is None:
        found = at(body, "status.output")
        if found is None:
            when = "" if has_ended(body) else ": wait until it has ended, with `taskaction watch`"
            raise CommandError(f"{ref} is {phase_of(body)} and has no output{when}", Exit.CLUSTER)
        return found
    size = "" if stored.size is None else f", {stored.size} bytes,"
    if stored.folder and (not folder or _as_folder(folder) != stored.folder):
        raise CommandError(
            f"the output of {ref}{size} is the file {stored.uri}: print it with "
            f"`taskaction output {ref} --storage {shlex.quote(stored.folder)}`, or set {STORAGE_SETTING}"
        )
    try:
        return await StoredOutputs(ProjectStorage(stored.folder or None)).read(stored)
    except StorageError as error:
        raise CommandError(f"{error}; check your credentials for {stored.folder}", Exit.CLUSTER) from error
    except OutputLostError as error:
        here = "; is the operator's volume mounted here, at the same path?" if stored.uri.startswith(_LOCAL) else ""
        raise CommandError(f"{error}{here}", Exit.CLUSTER) from error


def _as_folder(text: str) -> str:
    try:
        return validate_folder(text)
    except ValueError as error:
        raise CommandError(f"--storage: invalid value {text!r}; {error}") from error


def _print_output(console: Console, found: Any) -> None:
    print_data(console, found if isinstance(found, str) else as_json(found))
