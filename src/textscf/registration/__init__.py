"""Trained networks and iterative methods in use: fields of pairs of scans, their metrics, and their export."""
