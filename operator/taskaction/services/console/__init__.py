"""Web console: pages about actions and runs that update themselves, and forms that act with the user's own rights."""
