"""Fixtures of real daemons."""
