"""The composition root: the one place where adapters meet the use cases."""

from entrypoints.composition.stores import CANT_START, Storage, migrate, storage
from entrypoints.composition.wiring import services

__all__ = ["CANT_START", "Storage", "migrate", "services", "storage"]
