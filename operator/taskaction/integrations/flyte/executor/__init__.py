"""``flyte``: tasks of Flyte 2 as pods, with all that the SDK in them needs."""
