"""Benchmarks: time and peak memory of the project's computations and of plain versions (``python -m benchmarks``)."""
