"""Time and peak memory of what the project computes, beside its straightforward version: ``python -m benchmarks``."""
