"""The explorers: every schedule of small stories, and random worlds."""
