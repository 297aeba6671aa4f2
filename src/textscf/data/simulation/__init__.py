"""Simulation in two halves: an anatomy gives a map of structures and tissues, and the map gives an image."""

from textscf.data.simulation.subject import simulate_image, simulate_phantom_subject

__all__ = ["simulate_image", "simulate_phantom_subject"]
