"""Commands of an administrator that run beside the daemons."""
