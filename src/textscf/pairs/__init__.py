"""Pairs of scans that a user has: registration, files for other tools, pictures, and a table of many pairs."""
