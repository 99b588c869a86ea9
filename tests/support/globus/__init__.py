"""A real Globus Action Provider for tests: its environment, apart from the operator's; nothing else uses it."""
