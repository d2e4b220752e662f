"""`artifactd demo`: train, log, kill the daemon half-way, and check every promise. Needs `artifactd[demo]`."""
