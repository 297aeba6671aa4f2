"""Look at a folder of scans, with label maps or without, and propose a cohort and a small study as files to edit."""

from pathlib import Path

from textscf.data.recipe import Recipe
from textscf.errors import InputError
from textscf.job.cli import parse_arguments, run, stage_parser
from textscf.plotting.colours import PALETTE
from textscf.proposal.cohort_proposal import check_scans, look_at, propose, write_proposal
from textscf.proposal.contact_sheet import write_contact_sheet
from textscf.proposal.scan_folder import find_scans
from textscf.results.items import read_csv
from textscf.study.catalogue import Catalogue

PROJECT = Path(__file__).resolve().parents[1] / "config"


def main() -> None:
    parser = stage_parser(__doc__)
    parser.add_argument("folder", type=Path, help="folder of the scans")
    parser.add_argument("--name", required=True, help="name of the cohort and the study: letters, digits and _")
    parser.add_argument("--names", type=Path, help="CSV with the columns value and name: names of the structures")
    parser.add_argument("--config", type=Path, default=Path("config"), help="folder of the settings (default: config/)")
    parser.add_argument("--sheet", type=Path, help="picture of all scans with labels (default: NAME_scans.png)")
    args = parse_arguments(parser)
    if not args.name.replace("_", "a").isalnum():
        raise InputError(f"--name {args.name}: expected letters, digits and _")
    names = read_csv(args.names, ("value", "name"), "numbers and names of structures") if args.names else None
    found = find_scans(args.folder)
    looks = look_at(found)
    known = {} if names is None else dict(zip(names["value"].astype(int), names["name"].astype(str), strict=True))
    paths = write_proposal(args.config, propose(args.name, args.folder, found, looks, known))
    cohort = Catalogue(PROJECT, args.config).cohort(args.name)
    rejections = check_scans(found, cohort)
    sheet = args.sheet or Path(f"{args.name}_scans.png")
    write_contact_sheet(found.files, Recipe.from_config(cohort), PALETTE[1:], sheet)
    for remark in found.remarks:
        print(remark)
    spacing, extent = (" x ".join(map(str, lengths)) for lengths in (looks.spacing, looks.extent))
    print(f"{looks.n_scans} scans, {spacing} mm, up to {extent} mm")
    print(f"prepared: {cohort['preprocess']['spacing']} mm, {cohort['preprocess']['shape']} voxels")
    for value, count in looks.values.items():
        if count < looks.n_labelled:
            print(
                f"structure {value} is missing from {looks.n_labelled - count} of {looks.n_labelled} scans with labels"
            )
    for rejection in rejections:
        print(f"cannot be used: {rejection.file}: {rejection.reason}")
    print("look at " + ", ".join(map(str, [*paths, sheet])))
    print(f"then: snakemake --cores all --configfile {paths[-1]} --config data_root={args.folder.resolve().parent}")


if __name__ == "__main__":
    run(main)
