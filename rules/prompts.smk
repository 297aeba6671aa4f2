PROMPTS = layout.prompts("{cohort}", "{prompts}")


rule embed_prompts:
    input:
        config=f"{PROMPTS}/config.yaml",
        weights=lambda wildcards: placed(
            files.encoder_files(wildcards.cohort, wildcards.prompts)
        ),
    output:
        embedding=f"{PROMPTS}/embedding.npz",
        provenance=f"{PROMPTS}/embedding.json",
        picture=f"{PROMPTS}/similarity.png",
        vector=f"{PROMPTS}/similarity.pdf",
    log:
        f"{PROMPTS}/logs/embed.log",
    priority: order.priority
    localrule: True
    conda:
        ENVIRONMENT
    params:
        data_root=data_root,
    shell:
        'exec python "$TEXTSCF_SRC/embed_prompts.py"'
        " --config {input.config} --out {output.embedding}"
        " {params.data_root} 2> {log}"


rule prompts:
    input:
        files.prompt_sets(),
