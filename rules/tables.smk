TABLE = layout.table(study.name, "{table}")


rule table:
    input:
        config=f"{TABLE}/config.yaml",
        metrics=lambda wildcards: files.metrics(wildcards.table),
        timings=lambda wildcards: files.timings(wildcards.table),
        segmentors=lambda wildcards: files.segmentor_accuracy(wildcards.table),
        costs=lambda wildcards: files.segmentation_costs(study.runs_of(wildcards.table)),
        histories=lambda wildcards: files.segmentor_histories(
            study.runs_of(wildcards.table)
        ),
        reported=f"{CHECKOUT}/config/reported.yaml",
    output:
        csv=f"{TABLE}.csv",
        markdown=f"{TABLE}.md",
        latex=f"{TABLE}.tex",
        tests=f"{TABLE}_tests.csv",
        page=f"{TABLE}.html",
        readable=f"{TABLE}.json",
    log:
        f"{TABLE}/logs/table.log",
    wildcard_constraints:
        table=one_of(files.tables("accuracy")),
    priority: order.priority
    localrule: True
    conda:
        ENVIRONMENT
    params:
        results=results_folder,
    shell:
        'exec python "$TEXTSCF_SRC/table.py"'
        " --config {input.config} --results {params.results} --reported {input.reported:q}"
        " --out {output.csv} 2> {log}"


rule learning_rate_table:
    input:
        config=f"{TABLE}/config.yaml",
        timings=lambda wildcards: files.timings(wildcards.table),
    output:
        csv=f"{TABLE}.csv",
        markdown=f"{TABLE}.md",
        latex=f"{TABLE}.tex",
        page=f"{TABLE}.html",
        readable=f"{TABLE}.json",
    log:
        f"{TABLE}/logs/table.log",
    wildcard_constraints:
        table=one_of(files.tables("learning_rate")),
    localrule: True
    conda:
        ENVIRONMENT
    params:
        results=results_folder,
    shell:
        'exec python "$TEXTSCF_SRC/table.py"'
        " --config {input.config} --results {params.results} --out {output.csv} 2> {log}"


rule structure_table:
    input:
        config=f"{TABLE}/config.yaml",
        metrics=lambda wildcards: files.metrics(wildcards.table),
    output:
        csv=f"{TABLE}.csv",
        markdown=f"{TABLE}.md",
        latex=f"{TABLE}.tex",
        page=f"{TABLE}.html",
        readable=f"{TABLE}.json",
    log:
        f"{TABLE}/logs/table.log",
    wildcard_constraints:
        table=one_of(files.tables("structures")),
    localrule: True
    conda:
        ENVIRONMENT
    params:
        results=results_folder,
    shell:
        'exec python "$TEXTSCF_SRC/table.py"'
        " --config {input.config} --results {params.results} --out {output.csv} 2> {log}"


for _target, _parts in files.targets(study.tables).items():

    rule:
        name:
            _target
        input:
            expand(f"{TABLE}.csv", table=_parts),


rule tables:
    input:
        expand(f"{TABLE}.csv", table=study.tables),
        f"{CLAIM}.csv",
