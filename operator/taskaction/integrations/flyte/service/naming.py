"""How an action of Flyte is called as an object: the same in every process, and never like that of another project."""

from taskaction.core.names import digest, dns_label

_MARK_CHARS = 10
_LONGEST = 63


def object_name(org: str, project: str, domain: str, run: str, action: str) -> str:
    """Return the name: what people can read of run and action, and a mark of all five."""
    mark = digest(f"{org}\0{project}\0{domain}\0{run}\0{action}".encode())[:_MARK_CHARS]
    readable = dns_label(f"{run}-{action}")[: _LONGEST - _MARK_CHARS - 1].rstrip("-")
    return f"{readable}-{mark}" if readable else mark
