"""Versions are numbered in the order in which they were logged, however their uploads overlap."""
