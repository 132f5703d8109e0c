"""Two releases against each other: each in an environment of its own, in turn, and only if they do the same."""
