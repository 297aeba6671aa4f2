rule report:
    input:
        config=f"{STUDY}/report/config.yaml",
        shown=files.report("report"),
    output:
        f"{STUDY}/report.html",
    log:
        f"{STUDY}/report/logs/report.log",
    localrule: True
    conda:
        ENVIRONMENT
    shell:
        'python "$TEXTSCF_SRC/report.py"'
        " --config {input.config} --out {output} 2> {log}"


use rule report as quick with:
    input:
        config=f"{STUDY}/quick/config.yaml",
        shown=files.report("quick"),
    output:
        f"{STUDY}/quick.html",
    log:
        f"{STUDY}/quick/logs/report.log",
    priority: order.priority
    localrule: True
