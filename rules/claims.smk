CLAIMS = f"{STUDY}/claims"


rule claims:
    input:
        config=f"{CLAIMS}/config.yaml",
        evidence=files.claims(),
    output:
        csv=f"{CLAIMS}.csv",
        markdown=f"{CLAIMS}.md",
        page=f"{CLAIMS}.html",
        readable=f"{CLAIMS}.json",
    log:
        f"{CLAIMS}/logs/claims.log",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        results=results_folder,
    shell:
        'exec python "$TEXTSCF_SRC/claims.py"'
        " --config {input.config} --results {params.results} --out {output.csv} 2> {log}"
