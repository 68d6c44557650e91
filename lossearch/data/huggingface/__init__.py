"""Hugging Face data sets: features by their declared types, class names, splits."""
