"""The study: which points are tried, in which order, and how a trial's value is computed."""
