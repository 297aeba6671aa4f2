"""Shared parts of all scripts: command line, devices, workers, progress, and provenance of results."""
