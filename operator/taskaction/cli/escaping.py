"""Texts on terminals: escapes control characters, so that no text of a cluster controls the terminal of its reader."""

from typing import IO

_KEPT = frozenset("\t\n")
_CONTROLS = [*range(0x20), 0x7F, *range(0x80, 0xA0)]
_ESCAPES = {code: f"^{chr(code ^ 0x40)}" if code < 0x80 else f"\\x{code:02x}" for code in _CONTROLS}  # noqa: PLR2004 - ASCII
_TABLE = {code: text for code, text in _ESCAPES.items() if chr(code) not in _KEPT} | {ord("\r"): "\\r"}


def escape(text: str) -> str:
    """Return ``text`` with control characters in the notation of kubectl, such as ``^[`` for the escape character."""
    return text.translate(_TABLE)


def write_text(text: str, file: IO[str]) -> None:
    """Write text and the end of its line, escaped, without regard to the width of a terminal."""
    write_unchanged(escape(text), file)


def write_unchanged(text: str, file: IO[str]) -> None:
    """Write text and the end of its line as it is: to a pipe or file, where a program reads it."""
    file.write(text.rstrip("\n") + "\n")
    file.flush()
