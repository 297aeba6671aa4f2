rule train:
    input:
        config=f"{RUN}/config.yaml",
        cohort=cohort_of_run,
        head=lambda wildcards: files.head(wildcards.run).values(),
        auxiliary=lambda wildcards: files.auxiliary(wildcards.run),
    output:
        checkpoint=f"{RUN}/checkpoint.pt",
        history=f"{RUN}/history.csv",
        timing=f"{RUN}/timing.json",
        environment=f"{RUN}/environment.json",
    log:
        f"{RUN}/logs/train.log",
    priority: order.priority
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        gpu=1,
        mem_mb=growing(16000),
        runtime=growing(1440),
        slurm_extra=SAVE_IN_TIME,
    params:
        head=lambda wildcards: [
            f"--{k} {here(v)}" for k, v in files.head(wildcards.run).items()
        ],
        auxiliary=lambda wildcards, input: (
            f"--auxiliary {Path(str(input.auxiliary)).parent}"
            if input.auxiliary
            else ""
        ),
    shell:
        'exec python "$TEXTSCF_SRC/train.py"'
        " --config {input.config} --cohort $(dirname {input.cohort}) {params.head}"
        " {params.auxiliary} --out $(dirname {output.checkpoint}) --threads {threads} 2> {log}"
