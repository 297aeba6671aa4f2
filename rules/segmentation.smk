SEGMENTATION = layout.segmentation("{cohort}", "{segmentor}")


rule train_segmentor:
    input:
        config=f"{SEGMENTATION}/config.yaml",
        cohort=f"{COHORT}/cohort.json",
    output:
        network=f"{SEGMENTATION}/network.pt",
        history=f"{SEGMENTATION}/history.csv",
    log:
        f"{SEGMENTATION}/logs/train.log",
    priority: order.priority
    conda:
        ENVIRONMENT
    threads: SHARED_THREADS
    resources:
        gpu=1,
        mem_mb=growing(16000),
        runtime=growing(1440),
        slurm_extra=SAVE_IN_TIME,
    shell:
        'exec python "$TEXTSCF_SRC/train_segmentor.py"'
        " --config {input.config} --cohort $(dirname {input.cohort})"
        " --out {output.network} --threads {threads} 2> {log}"


rule download_weights:
    input:
        config=f"{SEGMENTATION}/config.yaml",
    output:
        weights=f"{SEGMENTATION}/weights.pt",
        provenance=f"{SEGMENTATION}/weights.json",
    log:
        f"{SEGMENTATION}/logs/download_weights.log",
    priority: order.priority
    localrule: True
    conda:
        ENVIRONMENT
    params:
        data_root=data_root,
    shell:
        'exec python "$TEXTSCF_SRC/download_weights.py"'
        " --config {input.config} --out {output.weights} {params.data_root} 2> {log}"


rule segment:
    input:
        config=f"{SEGMENTATION}/config.yaml",
        cohort=f"{COHORT}/cohort.json",
        network=lambda wildcards: files.segmentor_network(
            wildcards.cohort, wildcards.segmentor
        ),
    output:
        segmentation=f"{SEGMENTATION}/segmentation.json",
        cost=f"{SEGMENTATION}/cost.json",
    log:
        f"{SEGMENTATION}/logs/segment.log",
    priority: order.priority
    conda:
        ENVIRONMENT
    threads: SHARED_THREADS
    resources:
        gpu=lambda wildcards, input: 1 if input.network else 0,
        mem_mb=growing(16000),
        runtime=growing(240),
    params:
        options=lambda wildcards: [
            f"--{k} {here(v)}" for k, v in files.segmenting(**wildcards).items()
        ],
    shell:
        'exec python "$TEXTSCF_SRC/segment.py"'
        " --config {input.config} --cohort $(dirname {input.cohort}) {params.options}"
        " --out {output.segmentation} --threads {threads} 2> {log}"


rule segmentor_accuracy:
    input:
        cohort=f"{COHORT}/cohort.json",
        segmentation=f"{SEGMENTATION}/segmentation.json",
    output:
        structures=f"{SEGMENTATION}/accuracy.csv",
        splits=f"{SEGMENTATION}/accuracy_by_split.csv",
    log:
        f"{SEGMENTATION}/logs/accuracy.log",
    localrule: True
    conda:
        ENVIRONMENT
    shell:
        'exec python "$TEXTSCF_SRC/segmentor_accuracy.py"'
        " --cohort $(dirname {input.cohort}) --segmentation {input.segmentation}"
        " --out {output.structures} 2> {log}"


rule segmentors:
    input:
        files.segmentors(),
