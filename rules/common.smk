import json
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path.insert(0, f"{workflow.basedir}/src")

from textscf.study import load_study, plan
from textscf.workflow import Order, StudyFiles, stage_settings
from textscf.errors import InputError
from textscf.files.layout import Layout
from textscf.job.lock import hold_folder

try:
    study = load_study(config, Path(workflow.basedir, "config"), workflow.configfiles)
except InputError as error:
    raise WorkflowError(str(error)) from None

files = StudyFiles(study)
order = Order(study)

if workflow.is_main_process:
    logger.info(f"Study {study.name}: {plan(study, study.step_times)}.")


onstart:
    try:
        hold_folder(Path.cwd())
    except InputError as error:
        raise WorkflowError(str(error)) from None


# Read by the shell when a job runs, so that another place of the project or of the data does not make jobs run anew.
os.environ |= {
    "PATH": os.pathsep.join(
        [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    ),
    "TEXTSCF_SRC": f"{workflow.basedir}/src",
    "TEXTSCF_DATA_ROOT": config.get("data_root") or "",
    "TEXTSCF_ACCEPT": config.get("accept") or "",
}

ENVIRONMENT = f"{workflow.basedir}/envs/textscf.yaml"
layout = Layout()
RESULTS = layout.root
STUDY = layout.study(study.name)
COHORT = layout.cohort("{cohort}")
RUN = layout.run(study.name, "{run}")
CLAIM = f"{RESULTS}/complexity/claim"

# Stages take the place of their shell: a signal to all processes of a job is left to the stage, which may save its state.
shell.prefix("set -euo pipefail; exec ")

# A job that needs more than half of the cores is overtaken by smaller ones for as long as there are any; one that a
# queue has started has its cores to itself.
CORES = workflow.resource_settings.cores or 32
SHARED_THREADS = max(1, min(16, CORES // 2 if workflow.is_main_process else CORES))

# A training is told so many seconds before a queue's time limit that it has to save its state.
SAVE_IN_TIME = "--signal=TERM@300"


wildcard_constraints:
    cohort=r"[A-Za-z0-9_-]+",
    segmentor=r"[A-Za-z0-9_-]+",
    prompts=r"[A-Za-z0-9_.-]+",
    run=r"[A-Za-z0-9_.-]+",
    table=r"[a-z0-9_]+",
    figure=r"[a-z0-9]+",
    form=r"\d{4}",


def growing(amount):
    """A resource of which a job gets more each time that it is started again."""
    return lambda wildcards, attempt: amount * attempt


def one_of(names):
    """Wildcard constraint that these names meet."""
    return "|".join(names) or "(?!)"


def cohort_of_run(wildcards):
    """The prepared cohort that a run is about."""
    return f"{layout.cohort(study.runs[wildcards.run]['cohort'])}/cohort.json"
