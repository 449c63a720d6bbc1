"""Requests of many callers of one process, answered in few calls of the port below."""
