"""The published Flyte SDK and a program of it, as processes of their own: clients to meet the Actions service with."""
