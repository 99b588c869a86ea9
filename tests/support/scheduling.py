"""Which tests a worker of xdist gets together: those of one file, and the files that share what takes long to start."""

from pathlib import PurePath

from xdist.scheduler import LoadFileScheduling

ON_THE_NODE = {"test_examples.py", "test_flyte_program.py", "test_node.py", "test_pods.py", "test_true_pods.py"}
"""Files that share one node, which takes long to start."""


class SharedStart(LoadFileScheduling):
    """Gives out whole files, and those on the node together.

    Marks of groups would say the same, but pytest 9.2 keeps xdist 3.8 from writing them into the ids that it goes by.
    """

    def _split_scope(self, nodeid: str) -> str:
        """Give the name of what stays together; the base class asks for it by this name."""
        file = super()._split_scope(nodeid)
        return "node" if PurePath(file).name in ON_THE_NODE else file
