"""The second half of a study: the best points trained again on fresh seeds, and judged."""
