"""Bringing committed versions back: from the store into directories that clients made in the spool."""
