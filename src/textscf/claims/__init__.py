"""The page of claims: each statement of the paper, what a study finds, and a verdict by a stated rule."""
