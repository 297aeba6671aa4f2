"""Simulation in two halves that meet in a label map: anatomy -> labels, labels -> CT."""

from textscf.data.simulation.subject import simulate_ct, simulate_phantom_subject

__all__ = ["simulate_ct", "simulate_phantom_subject"]
