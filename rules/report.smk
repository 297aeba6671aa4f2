rule report:
    input:
        config=f"results/{study.name}/report/config.yaml",
        shown=files.report("report"),
    output:
        f"results/{study.name}/report.html",
    log:
        f"results/{study.name}/report/logs/report.log",
    localrule: True
    conda:
        ENVIRONMENT
    shell:
        "python $TEXTSCF_SRC/report.py"
        " --config {input.config} --results results --out {output} 2> {log}"


use rule report as quick with:
    input:
        config=f"results/{study.name}/quick/config.yaml",
        shown=files.report("quick"),
    output:
        f"results/{study.name}/quick.html",
    log:
        f"results/{study.name}/quick/logs/report.log",
    priority: order.priority
    localrule: True
