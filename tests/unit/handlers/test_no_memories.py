"""kopf keeps nothing about objects, whose deletions it may never be told of."""

from taskaction.handlers.no_storage import NoMemories


async def test_an_object_that_was_handled_is_not_remembered():
    memories = NoMemories()
    body = {"metadata": {"uid": "one"}}
    first = await memories.recall(body, noticed_by_listing=True, memobase=None)
    assert first.noticed_by_listing
    assert await memories.recall(body) is not first
    assert list(memories.iter_all_memories()) == []
