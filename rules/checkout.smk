import os
import shutil
import subprocess
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.sourcecache import HostingProviderFile, LocalSourceFile

IS_MODULE = not workflow.modifier.is_main_snakefile()


def unpacked(source):
    """Folder with all files of the revision of a remote Snakefile, of which Snakemake itself fetches single files."""
    repository = source.hosted_repo.repo
    revision = repository.git.rev_parse(f"{source.ref}^{{commit}}")
    folder = Path(".snakemake", "textscf", "checkouts", revision).absolute()
    if not folder.exists():
        unfinished = folder.with_suffix(f".{os.getpid()}")
        unfinished.mkdir(parents=True)
        archive = ["git", "-C", repository.git_dir, "archive", revision]
        tar = subprocess.run(archive, check=True, capture_output=True).stdout
        subprocess.run(["tar", "-x", "-C", unfinished], input=tar, check=True)
        try:
            unfinished.rename(folder)
        except OSError:
            shutil.rmtree(unfinished)
    return folder


def checkout(source):
    """Folder of the project that has the file `source` in its folder rules/."""
    if isinstance(source, LocalSourceFile):
        return Path(source.get_path_or_uri(secret_free=True)).parent
    try:
        if isinstance(source, HostingProviderFile):
            return unpacked(source)
        reason = "Snakemake fetches only single files from there"
    except (AttributeError, OSError, subprocess.CalledProcessError) as error:
        reason = f"its files could not be unpacked ({error})"
    raise WorkflowError(
        f"{source.get_path_or_uri(secret_free=True)}: {reason}, and the workflow needs the whole project; clone "
        "the project and give the module the path of the clone's Snakefile"
    )


CHECKOUT = checkout(workflow.current_basedir)


def default_study():
    """The study of the working directory, config/config.yaml, or the project's, which is the demo."""
    own = Path("config", "config.yaml")
    return str((own if own.is_file() else CHECKOUT / own).resolve())
