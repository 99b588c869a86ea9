"""The Actions service: the RPCs of Flyte for TaskActions, as a separate process; executes nothing."""
