"""Methods that optimise every pair by itself, one module each; `method` of a run names the module.

A module has `registrar(cohort)`, which returns a `PairRegistrar` (see `textscf.registration.evaluation`).
"""
