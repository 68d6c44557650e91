"""Where data come from, how they are cleaned, split and made ready for a network."""
