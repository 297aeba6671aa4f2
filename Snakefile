"""textSCF: from data to the paper's tables and figures."""

from snakemake.utils import min_version

min_version("9.0")


include: "rules/checkout.smk"


# Snakemake skips this in a module that has a configuration.
if IS_MODULE or not workflow.configfiles:

    configfile: default_study()


include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/segmentation.smk"
include: "rules/prompts.smk"
include: "rules/training.smk"
include: "rules/evaluation.smk"
include: "rules/export.smk"
include: "rules/tables.smk"
include: "rules/complexity.smk"
include: "rules/figures.smk"
include: "rules/claims.smk"
include: "rules/models.smk"
include: "rules/report.smk"


rule all:
    default_target: not IS_MODULE
    input:
        rules.tables.input,
        rules.figures.input,
        rules.claims.output,
        rules.segmentors.input,
        rules.prompts.input,
        rules.quick.output,
        rules.report.output,
