"""A bucket in memory, as far as S3's clients need one to read, write, list and remove files; checks no signature."""

import re
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs

from support.serving import LoopbackServer

CONTENTS = (
    "<Contents><Key>{}</Key><LastModified>2026-01-01T12:00:00.000Z</LastModified>"
    "<Size>1</Size><ETag>1</ETag></Contents>"
)
STAMPS = {"ETag": '"1"', "Last-Modified": "Thu, 01 Jan 2026 12:00:00 GMT"}


class Bucket:
    """Files by their path, which begins with the bucket's name; serves while it is entered.

    While it ``refuses``, no file can be written.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.refuses = False
        files, bucket = self.files, self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Say nothing."""

            def do_GET(self) -> None:
                path, _, query = self.path.partition("?")
                if "list-type" in query:
                    asked = parse_qs(query)
                    prefix, delimiter = (asked.get(name, [""])[0] for name in ("prefix", "delimiter"))
                    self.answer(200, _listed(files, path, prefix, delimiter))
                elif path not in files:
                    self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
                else:
                    self.answer(200, files[path])

            do_HEAD = do_GET  # noqa: N815 - the base's

            def do_PUT(self) -> None:
                content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.answer(*bucket.put(self.path.partition("?")[0], content))

            def do_POST(self) -> None:
                said = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                self.answer(200, _removed(files, self.path.partition("?")[0], said))

            def answer(self, code: int, content: bytes) -> None:
                self.send_response(code)
                for name, value in (STAMPS | {"Content-Length": str(len(content))}).items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

        self._server = LoopbackServer(Handler)

    def put(self, path: str, content: bytes) -> tuple[int, bytes]:
        """Keep a file unless the bucket refuses it; return the answer."""
        if self.refuses:
            return 403, b"<Error><Code>AccessDenied</Code></Error>"
        self.files[path] = content
        return 200, b""

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which clients find it."""
        return {
            "AWS_ENDPOINT_URL": self._server.url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "here",
        }

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.__exit__(kind, error, trace)


def _listed(files: dict[str, bytes], bucket: str, prefix: str, delimiter: str) -> bytes:
    names = [name.removeprefix(f"{bucket}/") for name in files if name.startswith(f"{bucket}/{prefix}")]
    folders = {prefix + name.removeprefix(prefix).partition(delimiter)[0] + delimiter for name in names if delimiter}
    below = sorted(folder for folder in folders if any(name.startswith(folder) for name in names))
    shown = [name for name in names if not name.startswith(tuple(below))] if below else names
    found = "".join(CONTENTS.format(name) for name in shown)
    found += "".join(f"<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>" for folder in below)
    return f"<ListBucketResult><IsTruncated>false</IsTruncated>{found}</ListBucketResult>".encode()


def _removed(files: dict[str, bytes], bucket: str, said: str) -> bytes:
    names = re.findall("<Key>([^<]*)</Key>", said)
    for name in names:
        files.pop(f"{bucket}/{name}", None)
    found = "".join(f"<Deleted><Key>{name}</Key></Deleted>" for name in names)
    return f"<DeleteResult>{found}</DeleteResult>".encode()
