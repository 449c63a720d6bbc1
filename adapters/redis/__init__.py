"""Redis: the quota cache, session markers, and locks between processes."""
