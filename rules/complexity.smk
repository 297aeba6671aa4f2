rule run_complexity:
    input:
        configs=files.complexity_settings(),
        networks=files.complexity_shapes(),
    output:
        files.complexity_counts(),
    log:
        f"{STUDY}/logs/run_complexity.log",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        results=results_folder,
    shell:
        'exec python "$TEXTSCF_SRC/run_complexity.py"'
        " --configs {input.configs} --results {params.results} 2> {log}"


rule complexity_table:
    input:
        config=f"{TABLE}/config.yaml",
        counts=lambda wildcards: files.complexity(wildcards.table),
    output:
        csv=f"{TABLE}.csv",
        markdown=f"{TABLE}.md",
        latex=f"{TABLE}.tex",
        page=f"{TABLE}.html",
        readable=f"{TABLE}.json",
    log:
        f"{TABLE}/logs/table.log",
    wildcard_constraints:
        table=one_of(files.tables("complexity")),
    localrule: True
    conda:
        ENVIRONMENT
    params:
        results=results_folder,
    shell:
        'exec python "$TEXTSCF_SRC/table.py"'
        " --config {input.config} --results {params.results} --out {output.csv} 2> {log}"


rule complexity_claim:
    input:
        config=f"{CHECKOUT}/config/complexity_claim.yaml",
        reported=f"{CHECKOUT}/config/reported.yaml",
    output:
        csv=f"{CLAIM}.csv",
        markdown=f"{CLAIM}.md",
        latex=f"{CLAIM}.tex",
        page=f"{CLAIM}.html",
        readable=f"{CLAIM}.json",
    log:
        f"{RESULTS}/complexity/logs/claim.log",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    shell:
        'exec python "$TEXTSCF_SRC/complexity_claim.py"'
        " --config {input.config:q} --reported {input.reported:q} --out {output.csv} 2> {log}"
