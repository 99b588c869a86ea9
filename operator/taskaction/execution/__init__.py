"""Queues, partitions and workers in asyncio; knows runs, keys and coroutines, never Kubernetes."""
