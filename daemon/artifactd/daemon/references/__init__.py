"""What artifacts refer to without storing it: one handler per scheme, and who may have what looked up."""
