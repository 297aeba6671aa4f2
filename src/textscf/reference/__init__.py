"""Reference results: studies that are kept in the repository, and what is made from them again."""
