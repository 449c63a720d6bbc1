"""The adapters: one package per technology, one module per role."""
