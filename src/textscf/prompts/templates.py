"""Prompts: a template such as "A {modality} of a {structure} in human {body_part}.", filled in."""

import string

BACKGROUND = "background"
_FIELDS = ("structure", "modality", "body_part")


def region_name(text: str) -> str:
    """The name of a region as prompts spell it: lower case, single spaces in place of hyphens."""
    return " ".join(text.lower().replace("-", " ").split())


def check_template(template: str) -> None:
    """Raise ValueError unless `template` has the field {structure}, and no others than {modality} and {body_part}."""
    try:
        fields = [field for _, field, _, _ in string.Formatter().parse(template) if field is not None]
    except ValueError as error:
        raise ValueError(f"template '{template}' is malformed ({error})") from error
    for field in fields:
        if field not in _FIELDS:
            expected = ", ".join(f"{{{known}}}" for known in _FIELDS)
            raise ValueError(f"template '{template}' has the field {{{field}}}; expected {expected}")
    if "structure" not in fields:
        raise ValueError(f"template '{template}' does not name the {{structure}}")


def fill_template(template: str, structure: str, modality: str, body_part: str) -> str:
    """Fill in the prompt of one region."""
    return template.format(structure=region_name(structure), modality=modality, body_part=body_part)
