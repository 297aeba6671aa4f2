"""Feature networks, one module each; `backbone` of a run names the module.

A module has `BACKBONE`, a subclass of `textscf.models.backbone.Backbone`.
"""
