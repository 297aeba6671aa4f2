"""Everything that the scripts import, for the process that cases are forked from."""

import torch

import textscf.claims.page
import textscf.data.download
import textscf.data.preprocess
import textscf.data.simulation.cohort
import textscf.learn2reg
import textscf.plotting.kinds
import textscf.registration
import textscf.report
import textscf.segmentation.training
import textscf.tables.claim
import textscf.tables.kinds
import textscf.training.run  # noqa: F401

torch.set_num_threads(1)
