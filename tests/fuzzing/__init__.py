"""Fuzzing of the readers: damaged files must be read or refused by an InputError, quickly, and nothing else."""
