"""From accepted to committed: hash, look up, upload, and commit in order."""
