"""Metrics: what judges a model, whatever loss it was trained with."""
