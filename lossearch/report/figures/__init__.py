"""Figures of a study, as pictures of one or more panels."""
