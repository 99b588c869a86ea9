"""The pure TaskAction machine and its policies: no clock, no I/O, no Kubernetes."""
