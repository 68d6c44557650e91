"""The study: which points are tried, in which order, and what a trial is worth."""
