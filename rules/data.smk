rule download:
    input:
        config=f"{COHORT}/config.yaml",
    output:
        f"{COHORT}/source.json",
    log:
        f"{COHORT}/logs/download.log",
    conda:
        ENVIRONMENT
    resources:
        runtime=720,
    shell:
        "{SCRIPTS}/download.py --config {input.config} --out {output} --data-root '{config[data_root]}' 2> {log}"


rule simulate:
    input:
        config=f"{COHORT}/config.yaml",
        source=lambda wildcards: files.source(wildcards.cohort),
    output:
        f"{COHORT}/raw/simulation.json",
    log:
        f"{COHORT}/logs/simulate.log",
    benchmark:
        f"{COHORT}/logs/simulate.benchmark.tsv"
    conda:
        ENVIRONMENT
    threads: 8
    resources:
        mem_mb=8000,
    params:
        source=lambda wildcards, input: (
            f"--source {COHORT}/source" if input.source else ""
        ),
    shell:
        "{SCRIPTS}/simulate.py --config {input.config} {params.source} --out $(dirname {output})"
        " --workers {threads} 2> {log}"


rule preprocess:
    input:
        config=f"{COHORT}/config.yaml",
        raw=lambda wildcards: files.raw(wildcards.cohort),
    output:
        f"{COHORT}/cohort.json",
    log:
        f"{COHORT}/logs/preprocess.log",
    benchmark:
        f"{COHORT}/logs/preprocess.benchmark.tsv"
    conda:
        ENVIRONMENT
    threads: 8
    resources:
        mem_mb=8000,
        runtime=240,
    params:
        raw=lambda wildcards: files.raw_folder(wildcards.cohort),
    shell:
        "{SCRIPTS}/preprocess.py --config {input.config} --raw {params.raw} --out {output}"
        " --workers {threads} 2> {log}"
