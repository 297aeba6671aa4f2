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
    shell:
        'python "$TEXTSCF_SRC/report.py"'
        " --config {input.config} --out {output.page} 2> {log}"


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
