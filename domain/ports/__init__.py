"""The ports that the use cases need, with their errors; one module per role."""
