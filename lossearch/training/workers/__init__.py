"""Processes that train for a study."""
