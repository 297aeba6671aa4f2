FIGURE = layout.figure(study.name, "{figure}")


rule figure:
    input:
        config=f"{FIGURE}/config.yaml",
        metrics=lambda wildcards: files.metrics(wildcards.figure),
        extra=lambda wildcards: placed(files.figure(wildcards.figure)),
        reported=f"{CHECKOUT}/config/reported.yaml",
    output:
        pdf=f"{FIGURE}.pdf",
        png=f"{FIGURE}.png",
        data=f"{FIGURE}.csv",
        caption=f"{FIGURE}.txt",
    log:
        f"{FIGURE}/logs/figure.log",
    priority: order.priority
    conda:
        ENVIRONMENT
    resources:
        mem_mb=growing(8000),
        runtime=growing(60),
    params:
        results=results_folder,
    shell:
        'exec python "$TEXTSCF_SRC/figure.py"'
        " --config {input.config} --results {params.results} --reported {input.reported:q}"
        " --out {output.pdf} 2> {log}"


for _target, _parts in files.targets(study.figures).items():

    rule:
        name:
            _target
        input:
            expand(f"{FIGURE}.pdf", figure=_parts),


rule figures:
    input:
        expand(f"{FIGURE}.pdf", figure=study.figures),
