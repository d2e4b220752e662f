"""Commands for administrators that look after catalog and store, in a process of their own beside daemons."""
