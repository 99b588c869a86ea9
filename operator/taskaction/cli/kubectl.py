"""Completion of ``kubectl taskaction``, which kubectl starts: prints words in kubectl's format, runs no command."""

import sys
from collections.abc import Sequence
from typing import Any

from typer._click.shell_completion import CompletionItem, ShellComplete
from typer.main import get_command

from taskaction.cli.escaping import write_text
from taskaction.cli.exit_codes import Exit
from taskaction.cli.program import build_program
from taskaction.cli.session import Connect

_NO_FILES, _FILES = ":4", ":0"
"""Directives that end the output for kubectl's completion: without, or with, file names."""


class _Kubectl(ShellComplete):
    """Completion for kubectl: it passes the words as arguments, and reads one word per line."""

    def __init__(self, words: Sequence[str], connect: Connect | None) -> None:
        super().__init__(get_command(build_program()), {"obj": connect}, "taskaction", "")
        *self._before, self._word = words or [""]

    def source_vars(self) -> dict[str, Any]:
        return {}  # there is no script to source: kubectl finds the program by its name

    def get_completion_args(self) -> tuple[list[str], str]:
        return self._before, self._word

    def format_completion(self, item: CompletionItem) -> str:
        return f"{item.value}\t{item.help}" if item.help else str(item.value)

    def complete(self) -> str:
        found = [self.format_completion(item) for item in self.get_completions(*self.get_completion_args())]
        return "\n".join([*found, _NO_FILES if found else _FILES])


def complete(arguments: Sequence[str] | None = None, connect: Connect | None = None) -> int:
    """Print the candidates for the last argument, which may be empty."""
    write_text(_Kubectl(sys.argv[1:] if arguments is None else arguments, connect).complete(), sys.stdout)
    return Exit.DONE
