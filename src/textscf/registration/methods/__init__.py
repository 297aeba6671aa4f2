"""Methods that optimise every pair by itself, one module each; `method` of a run names the module.

A module has `registrar(cohort, **options)`, which returns a `PairRegistrar` (see `textscf.registration.evaluation`).
The options are those in `config/methods/NAME.yaml`, if there is such a file.
"""
