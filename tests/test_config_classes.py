"""Classes of a published network matched with the regions of an anatomy."""

from pathlib import Path
from typing import Any

import pytest

from textscf.errors import InputError
from textscf.segmentation.classes import region_channels
from textscf.study.catalogue import Catalogue

ANATOMY: dict[str, Any] = {"structures": [{"label": 2, "name": "right kidney"}, {"label": 1, "name": "spleen"}]}


def test_channels_follow_the_names_not_the_places() -> None:
    assert region_channels(["right kidney", "background", "spleen"], ANATOMY, "x") == [1, 2, 0]


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (["background", "spleen", "rigth kidney"], "has no 'rigth kidney'; did you mean 'right kidney'?"),
        (["background", "spleen"], "nothing stands for 'right kidney'; expected each region of the anatomy"),
        (["spleen", "right kidney"], "nothing stands for 'background'"),
        (["background", "spleen", "spleen", "right kidney"], "'spleen' is there 2 times; expected once"),
    ],
)
def test_names_that_do_not_match_are_quoted(classes: list[str], message: str) -> None:
    with pytest.raises(InputError, match=r"^cohort\.yaml: classes: ") as caught:
        region_channels(classes, ANATOMY, "cohort.yaml")
    assert message in str(caught.value)


@pytest.mark.parametrize("segmentor", ["base", "small", "tiny"])
def test_the_published_networks_have_each_organ_of_the_abdomen(root: Path, segmentor: str) -> None:
    settings = Catalogue(root / "config").segmentor("abdomen_ct", segmentor)
    assert len(settings["classes"]) == 14
    assert settings["classes"][12:] == ["right adrenal gland", "left adrenal gland"]
    assert settings["weights"]["file"] in settings["weights"]["url"]
    assert f"f{settings['feature_size']}_" in settings["weights"]["file"]
