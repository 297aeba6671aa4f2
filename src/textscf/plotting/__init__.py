"""Figures of the paper: a common style, and one module per kind of figure."""
