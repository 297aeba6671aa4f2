rule export:
    input:
        config=f"{RUN}/config.yaml",
        cohort=cohort_of_run,
        raw=lambda wildcards: files.raw(study.runs[wildcards.run]["cohort"]),
        checkpoint=lambda wildcards: files.checkpoints([wildcards.run]),
        segmentation=lambda wildcards: files.segmentation([wildcards.run]),
        fields=lambda wildcards: placed(files.fields(wildcards.run)),
    output:
        f"{RUN}/learn2reg_{{form}}.zip",
    log:
        f"{RUN}/logs/learn2reg_{{form}}.log",
    conda:
        ENVIRONMENT
    resources:
        gpu=lambda wildcards, input: 1 if input.checkpoint else 0,
        mem_mb=growing(16000),
        runtime=growing(120),
    params:
        raw=lambda wildcards: here(
            files.raw_folder(study.runs[wildcards.run]["cohort"])
        ),
        checkpoint=lambda wildcards, input: (
            f"--checkpoint {input.checkpoint}" if input.checkpoint else ""
        ),
    shell:
        'exec python "$TEXTSCF_SRC/export.py"'
        " --config {input.config} --cohort $(dirname {input.cohort}) --raw {params.raw}"
        " {params.checkpoint} --form {wildcards.form} --out {output} --threads {threads} 2> {log}"
