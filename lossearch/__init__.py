"""Which training loss, with which output activation and learning rate, fits a task best, and how sure are we?"""
