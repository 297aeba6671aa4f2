import os
import shlex
import shutil
import sys
import time
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path.insert(0, f"{CHECKOUT}/src")

from textscf.study import load_study, plan
from textscf.workflow import Order, StudyFiles, stored_settings
from textscf.errors import InputError
from textscf.files.layout import Layout
from textscf.job.lock import hold_folder

# A module with a `prefix` or `replace_prefix` has its results elsewhere. Snakemake moves inputs, outputs and logs; `here`
# moves other paths.
here = workflow.modifier.path_modifier.replace_prefix
layout = Layout()

# A module's configuration comes from the workflow that uses it, whose files hold other settings too. Cohorts, prompts
# and experiments in config/ of the working directory come before the project's.
try:
    study = load_study(
        config,
        CHECKOUT / "config",
        [] if IS_MODULE else workflow.configfiles,
        Path.cwd() / "config",
        lambda run: Path(
            here(f"{layout.run(config['study'], run)}/metrics.csv")
        ).is_file(),
    )
except InputError as error:
    raise WorkflowError(str(error)) from None

files = StudyFiles(study)
DATA_ROOT = config.get("data_root") and Path(os.path.expanduser(config["data_root"]))
STARTED = time.time()
order = Order(study)

if workflow.is_main_process:
    logger.info(
        f"Study {study.name}: {plan(study, study.step_times)}.", extra={"always": True}
    )
    for _change in files.changes(DATA_ROOT, here):
        logger.warning(_change)


# Snakemake ignores these two in a module.
onstart:
    try:
        hold_folder(Path.cwd())
    except InputError as error:
        raise WorkflowError(str(error)) from None


onsuccess:
    print(files.main_result(STARTED), end="")


# Commands read these variables when a job runs, so moving the project does not rerun any job. They start a stage by
# `exec`, which replaces the shell, so that the stage alone handles a signal to its job and can save its state.
os.environ |= {
    "PATH": os.pathsep.join(
        [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    ),
    "TEXTSCF_SRC": f"{CHECKOUT}/src",
}

# Containers see the project and the data, and the GPUs of a machine that has some.
BOUND = [Path(CHECKOUT), *([DATA_ROOT] if DATA_ROOT else [])]
for _name in ("APPTAINER", "SINGULARITY"):
    _before = filter(None, os.environ.get(f"{_name}_BIND", "").split(","))
    _bound = [*_before, *(str(path.absolute()) for path in BOUND if path.exists())]
    os.environ[f"{_name}_BIND"] = ",".join(dict.fromkeys(_bound))
    if shutil.which("nvidia-smi"):
        os.environ.setdefault(f"{_name}_NV", "1")


container: config.get("container")


ENVIRONMENT = f"{CHECKOUT}/envs/textscf.yaml"
RESULTS = layout.root
STUDY = layout.study(study.name)
COHORT = layout.cohort("{cohort}")
RUN = layout.run(study.name, "{run}")
CLAIM = f"{RESULTS}/complexity/claim"

# A job that needs more than half of the cores would wait until no smaller job is left, so a job takes at most half of
# them. A job that a queue has started has its cores to itself and may take all of them.
CORES = workflow.resource_settings.cores or 32
SHARED_THREADS = max(1, min(16, CORES // 2 if workflow.is_main_process else CORES))

# Slurm sends SIGTERM 300 seconds before a job's time limit, so that a training can save its state.
SAVE_IN_TIME = "--signal=TERM@300"


wildcard_constraints:
    cohort=r"[A-Za-z0-9_-]+",
    segmentor=r"[A-Za-z0-9_-]+",
    prompts=r"[A-Za-z0-9_.-]+",
    run=r"[A-Za-z0-9_.-]+",
    table=r"[a-z0-9_]+",
    figure=r"[a-z0-9_]+",
    form=r"\d{4}",


def results_folder(wildcards, output):
    """Folder of all results."""
    return here(f"{RESULTS}/")


# Snakemake does not record parameters that are functions of `output`, so moving the data, or accepting terms, does not
# rerun any job.
def data_root(wildcards, output):
    """Option with the folder of the data, if there is one."""
    return f"--data-root {shlex.quote(str(DATA_ROOT))}" if DATA_ROOT else ""


def accept(wildcards, output):
    """Option with the data sets whose terms are accepted."""
    return f"--accept {shlex.quote(config.get('accept') or '')}"


def growing(amount):
    """A resource that grows with every attempt to run a job."""
    return lambda wildcards, attempt: amount * attempt


def placed(paths):
    """Input paths of which a module's `prefix` moves only those of results, not those that settings name."""
    return [p if p.startswith(f"{RESULTS}/") else local(p) for p in paths]


def one_of(names):
    """Wildcard constraint that allows these names only."""
    return "|".join(names) or "(?!)"


def cohort_of_run(wildcards):
    """Path of the prepared cohort of a run."""
    return f"{layout.cohort(study.runs[wildcards.run]['cohort'])}/cohort.json"
