"""The released models in a folder, chosen by name."""

from pathlib import Path

from textscf.errors import InputError


def model_file(name: str | None, checkpoint: Path | None, folder: Path) -> Path:
    """File of the network to use: the checkpoint that is given, or the model of that name in `folder`.

    Raises:
        InputError: neither or both are given, or there is no model of that name; the message lists the models.
    """
    if checkpoint is not None and name is None:
        return checkpoint
    known = {path.stem: path for path in sorted(folder.glob("*.pt"))}
    if checkpoint is None and name in known:
        return known[name]
    models = ", ".join(known) or "none yet"
    found = "--model and --checkpoint are both given" if checkpoint else f"no model '{name}'" if name else "no model"
    raise InputError(f"{found}; expected --model with one of {folder} ({models}), or --checkpoint with a run's file")
