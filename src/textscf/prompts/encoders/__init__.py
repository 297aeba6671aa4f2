"""Text encoders, one module each; `encoder` of a prompt set names the module.

A module has `make(options)`, which returns an `Encoder` (see `textscf.prompts.encoder`).
"""
