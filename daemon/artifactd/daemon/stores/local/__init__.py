"""The store `file:///dir`."""
