"""Figures, one module for each kind; `kind` of a figure's specification names the module.

A module has `draw(item, results)`, which returns a `Drawing` (see `textscf.plotting.drawing`).
"""
