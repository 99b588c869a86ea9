"""A real Kubernetes control plane on this machine, for daily work, the demo and the tests; knows no operator."""
