"""What can go wrong while bringing up a cluster, as sentences for people; holds no logic."""


class ClusterError(Exception):
    """A cluster could not be brought up, reached or ended; the text says what and the mend."""


class KubectlError(ClusterError):
    """Kubectl refused; the text is what it wrote to stderr."""
