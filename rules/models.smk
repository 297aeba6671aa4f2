MODEL = layout.model(study.name, "{model}")


rule release:
    input:
        unpack(lambda wildcards: files.model(wildcards.model)),
        config=f"{MODEL}/config.yaml",
    output:
        model=f"{MODEL}.pt",
        card=f"{MODEL}.md",
    log:
        f"{MODEL}/logs/release.log",
    wildcard_constraints:
        model=one_of(study.models),
    conda:
        ENVIRONMENT
    threads: SHARED_THREADS
    resources:
        gpu=1,
        mem_mb=growing(16000),
        runtime=growing(120),
    params:
        results=results_folder,
    shell:
        'exec python "$TEXTSCF_SRC/release.py"'
        " --config {input.config} --results {params.results} --out {output.model} --threads {threads} 2> {log}"


rule models:
    input:
        expand(f"{MODEL}.{{part}}", model=study.models, part=["pt", "md"]),
