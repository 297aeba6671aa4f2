import json
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path.insert(0, f"{workflow.basedir}/src")

from textscf.config import Order, StudyFiles, load_study, plan
from textscf.errors import InputError
from textscf.lock import hold_folder

try:
    study = load_study(config, Path(workflow.basedir, "config"), workflow.configfiles)
except InputError as error:
    raise WorkflowError(str(error)) from None

files = StudyFiles(study)
order = Order(study)

if workflow.is_main_process:
    step_times = Path(workflow.basedir, "config/step_times.yaml")
    logger.info(f"Study {study.name}: {plan(study, step_times)}.")


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
}

ENVIRONMENT = f"{workflow.basedir}/envs/textscf.yaml"
COHORT = "results/cohorts/{cohort}"
RUN = f"results/{study.name}/runs/{{run}}"

# A job that needs more than half of the cores is overtaken by smaller ones for as long as there are any.
SHARED_THREADS = max(1, min(16, (workflow.cores or 32) // 2))


wildcard_constraints:
    cohort=r"[A-Za-z0-9_-]+",
    segmentor=r"[A-Za-z0-9_-]+",
    prompts=r"[A-Za-z0-9_.-]+",
    run=r"[A-Za-z0-9_.-]+",
    table=r"[a-z0-9]+",
    figure=r"[a-z0-9]+",
    form=r"\d{4}",


def one_of(names):
    """Wildcard constraint that these names meet."""
    return "|".join(names) or "(?!)"


def cohort_file(pattern):
    """Input function for a file of the cohort that a run is about."""
    return lambda wildcards: pattern.format(**study.runs[wildcards.run])
