"""TaskActions."""
