"""The one trainer of the project (paper, section 4.2)."""
