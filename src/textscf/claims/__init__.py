"""Claims page: each statement of the paper with a study's result and a verdict by a stated rule."""
