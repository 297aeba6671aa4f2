"""Region names and prompts."""

import pytest

from textscf.prompts.templates import check_template, fill_template, region_name

TEMPLATE = "A {modality} of a {structure} in human {body_part}."


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Left-Hippocampus", "left hippocampus"),
        ("gall  bladder", "gall bladder"),
        ("3rd-Ventricle", "3rd ventricle"),
    ],
)
def test_region_names_are_lower_case_without_hyphens(text: str, name: str) -> None:
    assert region_name(text) == name


def test_the_papers_prompt() -> None:
    prompt = fill_template(TEMPLATE, "Left-Hippocampus", "magnetic resonance imaging", "brain")
    assert prompt == "A magnetic resonance imaging of a left hippocampus in human brain."


def test_a_template_may_leave_out_modality_and_body_part() -> None:
    check_template("A photo of a {structure}.")
    assert fill_template("A photo of a {structure}.", "Liver", "unused", "unused") == "A photo of a liver."


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("A photo of a {organ}.", "has the field {organ}; expected {structure}, {modality}, {body_part}"),
        ("A photo.", "does not name the {structure}"),
        ("A photo of a {structure.", "is malformed"),
        ("A photo of a {}.", "has the field {}"),
        ("{structure.__class__}", "has the field"),
    ],
)
def test_bad_templates_are_quoted(template: str, message: str) -> None:
    with pytest.raises(ValueError, match="template") as caught:
        check_template(template)
    assert message in str(caught.value)
    assert template in str(caught.value)
