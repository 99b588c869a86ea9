"""The plug-in contract and the built-in executors; an executor never writes a TaskAction."""
