"""ActionEvents."""
