"""The provider's side of selling in the explorers' worlds: saved cards that are charged, and the catalogue there."""
