"""Changes of a collection over broken connections: watches with a list where the API server requires one."""

from collections.abc import AsyncGenerator, Mapping

from taskaction_client.changes import Change, ChangeCursor
from taskaction_client.errors import ExpiredError, UnavailableError
from taskaction_client.transport import Transport


async def follow_changes(
    transport: Transport, path: str, query: Mapping[str, str], cursor: ChangeCursor
) -> AsyncGenerator[Change]:
    """Yield each change after the cursor, until the caller stops.

    Raises:
        ApiError: the API server refuses the list or watch, or gives no useful response for too long.
    """
    pauses = transport.pauses()
    while True:
        problem: UnavailableError | None = UnavailableError(f"watch of {path}: the server ends it at once")
        try:
            if cursor.since is None:
                bodies, version = await transport.list_all(path, query)
                for change in cursor.restart(bodies, version):
                    yield change
            assert cursor.since is not None  # noqa: S101 - a list sets it
            async with transport.watch(path, query, cursor.since) as chunks:
                with pauses.lasting():
                    async for chunk in chunks:
                        problem = None
                        pauses.succeed()
                        for change in cursor.feed(chunk):
                            yield change
        except ExpiredError as error:
            cursor.expire()  # a list comes next, at once if the watch has shown anything
            problem = problem and UnavailableError(f"watch of {path}: {error}")
        except UnavailableError as error:
            problem = error
        finally:
            cursor.disconnect()
        if problem is not None:
            await pauses.pause(problem)
