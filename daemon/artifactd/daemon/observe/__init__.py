"""What the operator sees: the status object and the log."""
