"""Robustness checks: scripts and workflow must refuse each bad input soon, with one error line and no files left."""
