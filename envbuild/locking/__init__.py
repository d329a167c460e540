"""The lock as a value, on disk, and whether it is still fresh."""
