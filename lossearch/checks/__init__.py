"""Is a loss safe to search over?"""
