"""Replicates trained one after another, each by a Trainer of its own."""
