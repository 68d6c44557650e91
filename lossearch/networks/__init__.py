"""Networks: the default ones, a user's own, and what builds them again."""
