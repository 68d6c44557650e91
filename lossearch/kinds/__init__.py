"""The kinds of task."""

KINDS = ("regression", "binary", "multiclass")
"""The kinds of task."""
