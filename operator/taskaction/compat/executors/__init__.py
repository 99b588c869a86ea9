"""Former modules of ``taskaction.executors``, which finds them by its search path; for one release."""
