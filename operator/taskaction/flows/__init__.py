"""The pure flow engine: what a definition means, and what a run does next; knows no clock, no I/O and no Kubernetes."""
