"""Command `textscf`: runs the script of a stage by its name, or the whole workflow."""

import ast
import importlib.util
import sys
from pathlib import Path

from textscf.job.cli import BAD_INPUT, run

WORKFLOW = "workflow"


def project() -> Path:
    """Folder of the Snakefile, `src/`, `config/` and `models/`: part of an installed package, else the checkout."""
    installed = Path(__file__).resolve().parent / "project"
    return installed if installed.is_dir() else Path(__file__).resolve().parents[2]


def scripts() -> dict[str, Path]:
    """The script of each command."""
    return {path.stem: path for path in sorted((project() / "src").glob("*.py"))}


def usage() -> str:
    """The commands, each with the first line of its script."""
    lines = ["usage: textscf COMMAND ...", "", "textscf COMMAND --help explains a command:", ""]
    for name, path in scripts().items():
        about = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        lines.append(f"  {name:20} {about.splitlines()[0]}")
    lines.append(f"  {WORKFLOW:20} Run a study by Snakemake, which takes the arguments that follow.")
    lines += ["", f"Studies and models are in {project()}, in config/ and models/."]
    return "\n".join(lines)


def main() -> None:
    """Run the command that the first argument names; the other arguments are its own."""
    name, arguments = (sys.argv[1:2] or ["--help"])[0], sys.argv[2:]
    if name in ("--help", "-h"):
        print(usage())
        return
    known = scripts()
    if name != WORKFLOW and name not in known:
        print(usage(), file=sys.stderr)
        print(f"\nerror: no command '{name}'", file=sys.stderr)
        sys.exit(BAD_INPUT)
    try:
        if name == WORKFLOW:
            from snakemake.cli import main as snakemake  # only an extra installs it

            snakemake(["--snakefile", str(project() / "Snakefile"), *arguments])
        else:
            sys.argv = [f"textscf {name}", *arguments]
            _run_script(name, known[name])
    except ModuleNotFoundError as missing:
        package = (missing.name or "").partition(".")[0]
        if not package or importlib.util.find_spec(package) is not None:
            raise  # a part of an installed package is missing, which no extra adds
        print(
            f"error: textscf {name} needs the package '{package}', which is not installed; expected textscf with "
            "its extras: pip install 'textscf[workflow,encoders,ants]'",
            file=sys.stderr,
        )
        sys.exit(BAD_INPUT)


def _run_script(name: str, path: Path) -> None:
    """Call `main` of a stage's script as the script itself does, but under the name of the command."""
    spec = importlib.util.spec_from_file_location(f"textscf_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    run(script.main)


if __name__ == "__main__":
    main()
