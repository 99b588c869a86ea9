"""The gateway to the API server, alone in importing the kubernetes client."""
