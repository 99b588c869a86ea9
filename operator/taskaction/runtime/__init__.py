"""The frame that all processes share."""
