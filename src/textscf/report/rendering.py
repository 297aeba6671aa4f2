"""Rendering of HTML pages from the templates of this room."""

from collections.abc import Mapping
from typing import Any

import jinja2

from textscf.plotting.colours import PALETTE, REFERENCE_COLOUR


def render(template: str, content: Mapping[str, Any]) -> str:
    """Render a template with `content` and the colours of the style sheet; an undefined value is an error."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("textscf.report", "template"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    colours = {"reference": REFERENCE_COLOUR, "palette": PALETTE}
    return environment.get_template(template).render({"colours": colours, **content})
