"""Service of the history: answers questions about past actions and runs over HTTP, by the rights of each caller."""
