"""Figures of the paper: one style, and one module per kind of figure."""
