"""The reference page of the command line: what `--help` of each command says, in one place."""

import textwrap
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from taskaction.cli.exit_codes import Exit
from taskaction.cli.program import build_program

_EVERYWHERE = frozenset({"help", "install_completion", "show_completion"})
_EXIT_TEXTS = {
    Exit.DONE: "What was asked for has happened; of commands that follow actions: all have Succeeded",
    Exit.FAILED: "An action Failed; of `flow validate` and `doctor`: something was found",
    Exit.USAGE: "The command line, a file or an object is wrong; nothing was done",
    Exit.ABORTED: "An action was Aborted, or deleted before its end was seen",
    Exit.TIMED_OUT: "An action has TimedOut",
    Exit.UNFINISHED: "The time of `--timeout` is over; the actions keep running",
    Exit.CLUSTER: "The cluster cannot be reached, refuses, or has not what was asked for",
    Exit.INTERRUPTED: "Ctrl-C; the actions keep running",
}


def page() -> Iterator[str]:
    """Return the lines of the page, below its head."""
    yield "How to use it is in [the command line](../cli.md). `kubectl taskaction` takes the same commands."
    yield ""
    yield "## Exit codes"
    yield ""
    yield "| code | meaning |"
    yield "|---|---|"
    for code, text in _EXIT_TEXTS.items():
        yield f"| {code.value} | {text} |"
    root: Any = get_command(build_program())
    yield from _commands(root, "taskaction")


def _commands(group: Any, words: str) -> Iterator[str]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            if command.invoke_without_command:
                yield from _command(command, f"{words} {name}")
            yield from _commands(command, f"{words} {name}")
        else:
            yield from _command(command, f"{words} {name}")


def _command(command: Any, words: str) -> Iterator[str]:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option" and one.name not in _EVERYWHERE]
    shown = "".join(f" {_argument(one)}" for one in arguments)
    yield ""
    yield f"## {words}"
    yield ""
    yield f"`{words}{' [OPTIONS]' if options else ''}{shown}`"
    yield ""
    yield textwrap.fill(" ".join((command.help or "").split()), 116, break_long_words=False, break_on_hyphens=False)
    rows = [(f"`{_argument(one)}`", one.help) for one in arguments]
    rows += [(f"`{_option(one)}`", one.help) for one in options]
    if rows:
        yield ""
        yield "| argument | meaning |"
        yield "|---|---|"
        for left, right in rows:
            yield f"| {left.replace('|', chr(92) + '|')} | {(right or '').replace('|', chr(92) + '|')} |"


def _argument(one: Any) -> str:
    name = (one.metavar or one.name).upper()
    many = "..." if one.nargs == -1 else ""
    return f"{name}{many}" if one.required else f"[{name}]{many}"


def _option(one: Any) -> str:
    names = ", ".join(sorted([*one.opts, *one.secondary_opts], key=lambda text: (text.startswith("--"), text)))
    if one.is_flag:
        return names
    return f"{names} {one.metavar or one.name.upper()}"
