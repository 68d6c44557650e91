"""Training: what it promises (``contract``) and ways of doing it."""
