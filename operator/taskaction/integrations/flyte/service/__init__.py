"""The Actions service: Flyte's RPCs over TaskActions, as a process of its own; executes nothing."""
