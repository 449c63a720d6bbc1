"""Answers the requests of many callers in one process with few calls of the port below."""
