"""The ports: what the use cases need from the outside. One module per role, with its ports and their errors."""
