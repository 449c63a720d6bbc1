"""The HTTP routes, one module for each resource: parse, call one use case, present."""
