"""Simulation in two halves that meet in a map of structures and tissues: anatomy -> map, map -> image."""

from textscf.data.simulation.subject import simulate_image, simulate_phantom_subject

__all__ = ["simulate_image", "simulate_phantom_subject"]
