rule evaluate:
    input:
        config=f"{RUN}/config.yaml",
        cohort=cohort_of_run,
        checkpoint=lambda wildcards: files.checkpoints([wildcards.run]),
        segmentation=lambda wildcards: files.segmentation([wildcards.run]),
        cost=lambda wildcards: files.segmentation_costs([wildcards.run]),
        fields=lambda wildcards: placed(files.fields(wildcards.run)),
    output:
        metrics=f"{RUN}/metrics.csv",
        pairs=f"{RUN}/pairs.csv",
    log:
        f"{RUN}/logs/evaluate.log",
    priority: order.priority
    conda:
        ENVIRONMENT
    threads: SHARED_THREADS
    resources:
        gpu=lambda wildcards, input: 1 if input.checkpoint else 0,
        mem_mb=growing(16000),
        runtime=growing(120),
    params:
        checkpoint=lambda wildcards, input: (
            f"--checkpoint {input.checkpoint}" if input.checkpoint else ""
        ),
        metrics=lambda wildcards: " ".join(files.requested_metrics(wildcards.run)),
    shell:
        'exec python "$TEXTSCF_SRC/evaluate.py"'
        " --config {input.config} --cohort $(dirname {input.cohort}) {params.checkpoint}"
        " --metrics {params.metrics} --out $(dirname {output.metrics}) --workers {threads} --threads {threads} 2> {log}"
