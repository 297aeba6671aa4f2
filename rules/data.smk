# The content of the settings is the file that this rule copies. Its name changes with the content, and so reruns the
# rule.
rule settings:
    output:
        f"{RESULTS}/{{owner}}/config.yaml",
    log:
        f"{RESULTS}/{{owner}}/logs/settings.log",
    priority: order.priority
    localrule: True
    conda:
        ENVIRONMENT
    params:
        content=lambda wildcards: stored_settings(study, wildcards.owner),
    shell:
        "cp {params.content} {output} 2> {log}"


# Cluster nodes often have no network, so this download runs on the machine that runs snakemake.
rule download:
    input:
        config=f"{COHORT}/config.yaml",
    output:
        f"{COHORT}/source.json",
    log:
        f"{COHORT}/logs/download.log",
    priority: order.priority
    localrule: True
    conda:
        ENVIRONMENT
    params:
        accept=accept,
        data_root=data_root,
    shell:
        'exec python "$TEXTSCF_SRC/download.py"'
        " --config {input.config} {params.accept} {params.data_root} --out {output} 2> {log}"


rule simulate:
    input:
        config=f"{COHORT}/config.yaml",
        source=lambda wildcards: files.source(wildcards.cohort),
    output:
        f"{COHORT}/raw/simulation.json",
    log:
        f"{COHORT}/logs/simulate.log",
    priority: order.priority
    conda:
        ENVIRONMENT
    threads: SHARED_THREADS
    resources:
        mem_mb=growing(8000),
        runtime=growing(240),
    params:
        source=lambda wildcards, input: (
            f"--source {Path(str(input.source)).parent}/source" if input.source else ""
        ),
    shell:
        'exec python "$TEXTSCF_SRC/simulate.py"'
        " --config {input.config} {params.source} --out $(dirname {output})"
        " --workers {threads} 2> {log}"


rule preprocess:
    input:
        config=f"{COHORT}/config.yaml",
        raw=lambda wildcards: files.raw(wildcards.cohort),
        template=lambda wildcards: placed(files.template(wildcards.cohort)),
    output:
        f"{COHORT}/cohort.json",
    log:
        f"{COHORT}/logs/preprocess.log",
    priority: order.priority
    conda:
        ENVIRONMENT
    threads: SHARED_THREADS
    resources:
        mem_mb=growing(8000),
        runtime=growing(240),
    params:
        raw=lambda wildcards: here(files.raw_folder(wildcards.cohort)),
    shell:
        'exec python "$TEXTSCF_SRC/preprocess.py"'
        " --config {input.config} --raw {params.raw} --out {output}"
        " --workers {threads} 2> {log}"
