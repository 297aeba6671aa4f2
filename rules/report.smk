rule report:
    input:
        config=f"{STUDY}/report/config.yaml",
        shown=files.report("report"),
    output:
        page=f"{STUDY}/report.html",
        summary=f"{STUDY}/report.txt",
    log:
        f"{STUDY}/report/logs/report.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        results=results_folder,
    shell:
        'exec python "$TEXTSCF_SRC/report.py"'
        " --config {input.config} --results {params.results} --out {output.page} 2> {log}"


use rule report as quick with:
    input:
        config=f"{STUDY}/quick/config.yaml",
        shown=files.report("quick"),
    output:
        page=f"{STUDY}/quick.html",
        summary=f"{STUDY}/quick.txt",
    log:
        f"{STUDY}/quick/logs/report.log",
    priority: order.priority
    localrule: True


if files.viewed_table:

    rule viewer:
        input:
            config=f"{layout.table(study.name, files.viewed_table)}/config.yaml",
            metrics=files.metrics(files.viewed_table),
            registering=placed(files.registering(study.runs_of(files.viewed_table))),
        output:
            f"{STUDY}/pairs.html",
        log:
            f"{STUDY}/pairs/logs/viewer.log",
        conda:
            ENVIRONMENT
        threads: SHARED_THREADS
        resources:
            mem_mb=growing(16000),
            runtime=growing(120),
        params:
            results=results_folder,
        shell:
            'exec python "$TEXTSCF_SRC/viewer.py"'
            " --config {input.config} --results {params.results} --out {output} 2> {log}"
