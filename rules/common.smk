import json
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path.insert(0, f"{workflow.basedir}/src")
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

from textscf.config import StudyFiles, load_study
from textscf.errors import InputError

try:
    study = load_study(
        config, Path(workflow.basedir, "config"), workflow.configfiles[-1:]
    )
except InputError as error:
    raise WorkflowError(str(error)) from None

files = StudyFiles(study)

SCRIPTS = f"python {workflow.basedir}/src"
ENVIRONMENT = f"{workflow.basedir}/envs/textscf.yaml"
COHORT = "results/cohorts/{cohort}"
RUN = f"results/{study.name}/runs/{{run}}"


wildcard_constraints:
    cohort=r"[A-Za-z0-9_-]+",
    segmentor=r"[A-Za-z0-9_-]+",
    prompts=r"[A-Za-z0-9_-]+",
    run=r"[A-Za-z0-9_.-]+",
    table=r"[a-z0-9]+",
    figure=r"[a-z0-9]+",


def cohort_file(pattern):
    """Input function for a file of the cohort that a run is about."""
    return lambda wildcards: pattern.format(**study.runs[wildcards.run])


rule settings:
    output:
        "results/{owner}/config.yaml",
    log:
        "results/{owner}/logs/settings.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        content=lambda wildcards: json.dumps(study.settings(wildcards.owner)),
    shell:
        "{SCRIPTS}/settings.py --content {params.content:q} --out {output} 2> {log}"
