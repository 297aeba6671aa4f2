"""Catalogue of the `config/` folder: cohorts with anatomies, phantoms and data sets, prompt sets, experiments."""

import copy
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from textscf.data.cohort import check_cohort
from textscf.errors import InputError
from textscf.files.io import read_yaml
from textscf.files.names import safe_name, suggest
from textscf.files.schema import read_validated, validate
from textscf.segmentation.classes import region_channels


class Catalogue:
    """Reads and checks entries of the project's `config/` folder, and of a user's own one, by name.

    Args:
        folder: the project's `config/` folder.
        own: a folder whose cohorts, data sets, anatomies, phantoms, prompts and experiments come before the project's.
    """

    def __init__(self, folder: Path, own: Path | None = None) -> None:
        self.folder = folder
        self._places = [folder] if own is None else [own, folder]
        self._known: dict[Path, dict[str, Any]] = {}
        self._cohorts: dict[str, dict[str, Any]] = {}

    def schema(self, kind: str) -> Path:
        """Path of the JSON schema for a kind of file."""
        return self.folder / "schemas" / f"{kind}.yaml"

    def cohort(self, name: str) -> dict[str, Any]:
        """A cohort with its anatomy, phantoms and data set inlined, without its keys `segmentors` and `field`.

        Every call returns the same object, because a large study asks for it thousands of times. Do not change it.
        """
        if name not in self._cohorts:
            self._cohorts[name] = self._inlined(name)
        return self._cohorts[name]

    def field(self, cohort: str) -> str:
        """Resolution at which networks predict the displacement field for a cohort: `full` or `half`."""
        return self._read("cohort", "cohorts", cohort)["field"]

    def check_segmentor(self, cohort: str, name: str, where: str) -> None:
        """Raise InputError that begins with `where` unless the cohort's scans can have this segmentor."""
        source = self.segmentor(cohort, name)["source"]
        if source != "pretrained" and not _may_have_labels(self.cohort(cohort)):
            lacks = "has no masks" if source == "ground_truth" else "cannot be trained"
            raise InputError(
                f"{where}: the scans of cohort '{cohort}' have no labels, so that segmentor '{name}' {lacks}; leave "
                "the run out under not_run, or give the cohort a pretrained segmentor"
            )

    def check_data_sets(self, names: Iterable[str], where: str) -> None:
        """Check that every name is a data set; InputError otherwise."""
        known = self._names("data_sets")
        for name in names:
            if name not in known:
                raise InputError(f"{where}: data set '{name}' is not defined{suggest(name, known)}")

    def segmentor(self, cohort: str, name: str) -> dict[str, Any]:
        """Settings of a segmentor of a cohort; InputError for an unknown one."""
        if name == "ground_truth":
            return {"source": "ground_truth"}
        known = self._read("cohort", "cohorts", cohort)["segmentors"]
        if name not in known:
            path = self.path("cohorts", cohort)
            raise InputError(f"{path}: segmentors: '{name}' is not defined{suggest(name, [*known, 'ground_truth'])}")
        if "classes" in known[name]:
            source = f"{self.path('cohorts', cohort)}: segmentors.{name}"
            region_channels(known[name]["classes"], self.cohort(cohort)["anatomy"], source)
        return known[name]

    def prompts(self, cohort: str, name: str) -> dict[str, Any]:
        """Settings of a prompt set for a cohort, with the cohort's anatomy and modality inlined.

        A name such as `minilm.lung_ct` means the set `minilm` for the cohort together with the auxiliary cohort
        `lung_ct`. The key `auxiliary` then has the anatomy and modality of the auxiliary cohort.
        """
        prompts, _, auxiliary = name.partition(".")
        settings = {**self._read("prompts", "prompts", prompts), **self._prompted(cohort)}
        return {**settings, "auxiliary": self._prompted(auxiliary)} if auxiliary else settings

    def experiment(self, name: str) -> dict[str, Any]:
        """Runs, tables and figures of an experiment file."""
        return self._read("experiment", "experiments", name)

    def all_runs(self) -> list[str]:
        """Names of the runs of all experiment files."""
        return [run for name in self._names("experiments") for run in self.experiment(name).get("runs", {})]

    @cached_property
    def reported(self) -> dict[str, Any]:
        """Content of `reported.yaml`, the values that the paper prints."""
        content: dict[str, Any] = read_yaml(self.folder / "reported.yaml")
        return content

    @cached_property
    def run_defaults(self) -> dict[str, Any]:
        """Default settings of a run, which are the paper's, with the defaults of all backbones."""
        defaults = read_validated(self.folder / "run_defaults.yaml", self.schema("run_defaults"))
        files = sorted((self.folder / "backbones").glob("*.yaml"))
        return {**defaults, "backbones": {path.stem: read_yaml(path)["defaults"] for path in files}}

    def check_backbone(self, name: str, options: dict[str, Any], source: str) -> None:
        """Raise InputError that begins with `source` if a backbone does not have these options."""
        validate(options, self.schema("run"), source, f"/properties/backbones/properties/{name}")

    def stages(self, backbone: str) -> int:
        """Number of training stages of a backbone; 1 for one that is trained as a whole."""
        return int(read_yaml(self.folder / "backbones" / f"{backbone}.yaml").get("stages", 1))

    def method_options(self, name: str, given: dict[str, Any], source: str) -> dict[str, Any]:
        """Options of a method: its defaults, and those `given`. A method without a file in `config/methods` has none.

        InputError that begins with `source` if the method does not have these options.
        """
        path = self.folder / "methods" / f"{name}.yaml"
        if not path.is_file():
            if given:
                raise InputError(
                    f"{source}: found '{next(iter(given))}'; expected none, as method {name} has no options"
                )
            return {}
        options = {**read_yaml(path)["defaults"], **given}
        validate(options, self.schema("run"), source, f"/$defs/methods/properties/{name}")
        return options

    @cached_property
    def claims(self) -> dict[str, Any]:
        """Content of `claims.yaml`, the claims of the paper; InputError if two claims share an id."""
        content = read_validated(self.folder / "claims.yaml", self.schema("claims"))
        ids = [claim["id"] for claim in content["claims"]]
        for name in ids:
            if ids.count(name) > 1:
                raise InputError(f"{self.folder / 'claims.yaml'}: claims: id '{name}' is there {ids.count(name)} times")
        return content

    def _inlined(self, name: str) -> dict[str, Any]:
        cohort = {"name": name, **self._read("cohort", "cohorts", name)}
        for setting_of_runs in ("segmentors", "field"):
            cohort.pop(setting_of_runs)
        if "data_set" in cohort["source"]:
            data_set = self._read("data_set", "data_sets", cohort["source"]["data_set"])
            cohort = {key: data_set[key] for key in ("licence", "citation")} | cohort
            cohort["source"] |= {key: data_set[key] for key in ("agreement", "releases")}
        cohort["anatomy"] = self._anatomy(cohort)
        for part in (cohort["source"], cohort.get("simulate_ct") or {}):
            if "phantom" in part:
                part["phantom"] = self._read("phantom", "phantoms", part["phantom"])
        return cohort

    def _anatomy(self, cohort: dict[str, Any]) -> dict[str, Any]:
        """The anatomy of a cohort; for null one without structures, which only a cohort without labels may have."""
        if cohort["anatomy"] is not None:
            anatomy = self._read("anatomy", "anatomies", cohort["anatomy"])
            names = [structure["name"] for structure in anatomy["structures"]]
            if twice := [name for name in names if names.count(name) > 1]:
                path = self.path("anatomies", cohort["anatomy"])
                raise InputError(f"{path}: structures: '{twice[0]}' is the name of {len(twice)}; expected one each")
            return anatomy
        if _may_have_labels(cohort):
            path = self.path("cohorts", cohort["name"])
            raise InputError(f"{path}: anatomy is null; expected one, as its scans have label maps")
        return {"title": cohort["title"], "body_part": "body", "structures": []}

    def _prompted(self, cohort: str) -> dict[str, Any]:
        described = self.cohort(cohort)
        return {"anatomy": described["anatomy"], "modality": described["modality"]}

    def _names(self, folder: str) -> list[str]:
        """Names of the entries of a folder, such as `cohorts`."""
        return sorted(
            {path.stem for place in self._places for path in (place / folder).glob("*.yaml") if path.is_file()}
        )

    def path(self, folder: str, name: str) -> Path:
        """File of an entry; of two with one name, the user's own."""
        paths = [place / folder / f"{name}.yaml" for place in self._places]
        return next((path for path in paths if path.is_file()), paths[-1])

    def _read(self, kind: str, folder: str, name: str) -> dict[str, Any]:
        path = self.path(folder, safe_name(name, f"{self.folder / folder}: {kind}"))
        if not path.is_file():
            where = f"{self.folder / folder}: {kind} '{name}' is not defined"
            raise InputError(f"{where}{suggest(name, self._names(folder))}")
        if path not in self._known:
            content = read_validated(path, self.schema(kind))
            if kind == "cohort":
                check_cohort({"name": name, **content})
            self._known[path] = content
        return copy.deepcopy(self._known[path])


def _may_have_labels(cohort: Mapping[str, Any]) -> bool:
    """Whether a scan of a cohort may have a label map: it is simulated, or its data set has label maps."""
    releases = cohort["source"].get("releases", [])
    return not releases or any(release["labels"] is not None for release in releases)
