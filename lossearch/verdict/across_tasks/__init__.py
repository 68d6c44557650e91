"""Pairs compared over several tasks."""
