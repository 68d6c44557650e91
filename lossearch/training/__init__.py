"""Training: what it promises (``contract``) and methods of doing it."""
