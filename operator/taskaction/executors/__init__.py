"""The built-in executors; an executor never writes a TaskAction."""
