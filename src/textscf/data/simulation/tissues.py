"""Codes of the tissue map that stands between labels and Hounsfield units."""

from enum import IntEnum


class Tissue(IntEnum):
    """What is not one of the anatomy's structures; codes above every structure label."""

    AIR = 200
    SKIN = 201
    FAT = 202
    MUSCLE = 203
    BOWEL = 204
    BOWEL_CONTENT = 205
    GAS = 206
    LUNG = 207
    HEART = 208
    VESSEL = 209
    SPONGY_BONE = 210
    DENSE_BONE = 211
    DISC = 212
    CORD = 213
    CARTILAGE = 214
    CONTENT = 215
    MEDULLA = 216
    BRANCH = 217


FIRST_TISSUE = int(Tissue.AIR)
