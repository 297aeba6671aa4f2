"""Colours of figures and pages, safe for colour-blind readers."""

REFERENCE_COLOUR = "#0072B2"
"""Colour of textSCF, and of what a figure or page points at."""
PALETTE = ["#999999", "#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#D55E00", "#F0E442"]
"""Grey and the colours of Okabe & Ito (2008), for structures; those of methods are in `textscf.plotting.looks`."""
