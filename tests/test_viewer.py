"""The viewer of pairs: the right pairs, exact volumes where they belong in the world, and nothing from elsewhere."""

import base64
import dataclasses
import gzip
import hashlib
import html
import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from tests.cohorts import SHAPE, SPLITS, make_cohort
from tests.result_files import table_spec, write_runs
from textscf.data.cohort import Cohort
from textscf.errors import InputError
from textscf.files.io import read_json, read_yaml, write_csv, write_json, write_yaml
from textscf.plotting.figures import example
from textscf.report.embedded_volumes import EmbeddedVolumes, as_bytes
from textscf.report.viewer_page import viewer
from textscf.results.items import Results, make_item
from textscf.study.study import load_study
from textscf.workflow.inputs import StudyFiles
from textscf.workflow.report_settings import report_settings, viewed_table

AFFINE = np.array([[-2.0, 0, 0, 19], [0, 3.0, 0, -30], [0, 0, -1.5, 12], [0, 0, 0, 1]])
"""The affine of a grid whose axes run left, anterior and inferior."""
SHIFTS = {"lku_net_seed1": (0, 0, 0), "textscf_seed1": (3, -1, 2)}
"""Displacement in voxels that the made-up checkpoint of each run predicts."""
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OBSERVER = """
const meanColumn = (view, [red, green, blue]) => {
  view.drawScene();
  const [gl, pixels] = [view.gl, new Uint8Array(4 * view.gl.drawingBufferWidth * view.gl.drawingBufferHeight)];
  gl.readPixels(0, 0, gl.drawingBufferWidth, gl.drawingBufferHeight, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
  const near = (n, ...wanted) => wanted.every((value, k) => Math.abs(pixels[4 * n + k] - value) < 12);
  const columns = [...Array(pixels.length / 4).keys()].filter((n) => near(n, red, green, blue));
  return columns.reduce((sum, n) => sum + n % gl.drawingBufferWidth, 0) / columns.length;
};
const observe = () => {
  const [places, text] = [[], (id) => element(id).textContent];
  if (!text("place") && !text("problem")) return setTimeout(observe, 100);
  places.push(text("place"));
  const target = [7, 6, 0];
  moveTo(target);
  places.push(text("place"));
  const columns = {};
  for (const [name, view] of Object.entries(views)) {
    view.setOpacity(1, 1);
    view.setSliceType(0);
    columns[name] = { "left blob": meanColumn(view, [0, 114, 178]), "right blob": meanColumn(view, [213, 94, 0]) };
  }
  const titles = NAMES.map((name) => text(`${name}-title`));
  const found = { problem: text("problem"), words: text("words"), titles, places, target, columns };
  const told = Object.assign(document.createElement("script"), { type: "application/json", id: "observed" });
  told.textContent = JSON.stringify(found);
  document.body.append(told);
};
observe();
"""
"""Script that a browser test adds to the page."""
HALF_STEP = 0.5 / 255 + 1e-6


def _registrar(settings: Mapping[str, Any], cohort: Cohort, checkpoint: Path, device: str) -> Any:
    if settings["method"] == "initial":
        return None
    field = np.broadcast_to(np.array(SHIFTS[checkpoint.parent.name], np.float32), (*cohort.shape, 3))
    return SimpleNamespace(displacement=lambda fixed, moving: (field, 0.1))


@pytest.fixture(scope="module", autouse=True)
def made_up_checkpoints() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(example, "registrar_of", _registrar)
        yield


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """A study of three methods, two of them with two seeds, on a cohort with labels."""
    root = tmp_path_factory.mktemp("study")
    folder = make_cohort(root / "cohorts/toy_cohort").folder
    write_json(folder / "cohort.json", read_json(folder / "cohort.json") | {"affine": AFFINE.tolist()})
    write_runs(root, table_spec(), ["left blob", "right blob"], subjects=3)
    names = {f"s{n}": subject for n, subject in enumerate(SPLITS["test"])}
    for path in (root / "toy/runs").glob("*/*.csv"):
        frame = pd.read_csv(path)
        write_csv(path, frame.assign(**{end: frame[end].map(names) for end in ("fixed", "moving")}))
    return Results(root, "toy")


@pytest.fixture
def results(study: Results, tmp_path: Path) -> Results:
    """A copy of the study that a test may change."""
    return Results(Path(shutil.copytree(study.folder, tmp_path / "results")), "toy")


@pytest.fixture(scope="module")
def page(study: Results) -> str:
    return page_of(study)


def page_of(results: Results, limit: int = 10**7, **changes: Any) -> str:
    return viewer(make_item(table_spec(**changes), "table3"), results, limit)


def shown_in(page: str) -> dict[str, Any]:
    found = json.loads(re.findall(r'<script type="application/json" id="shown">(.*?)</script>', page)[0])
    assert isinstance(found, dict)
    return found


def volumes_in(page: str) -> dict[str, Any]:
    """NIfTI images of the page, by name."""
    texts = re.findall(r'<script type="text/plain" id="(volume\d+)">([^<]*)</script>', page)
    assert len(dict(texts)) == len(texts)
    return {name: nib.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(text))) for name, text in texts}


def ranked(results: Results, run: str) -> pd.DataFrame:
    return pd.read_csv(results.run_folder(run) / "pairs.csv").sort_values("dice").reset_index(drop=True)


def cohort_in(results: Results) -> Cohort:
    return Cohort.load(results.folder / "cohorts/toy_cohort")


def shifted(volume: np.ndarray, shift: tuple[int, int, int]) -> np.ndarray:
    """The volume as a field of constant `shift` warps it: 0 where it comes from outside."""
    wide = np.pad(volume, 4)
    return wide[tuple(slice(4 + s, 4 + s + n) for s, n in zip(shift, volume.shape, strict=True))]


def test_each_method_has_the_pairs_of_its_own_first_seed(page: str, study: Results) -> None:
    methods = shown_in(page)["methods"]
    assert [method["run"] for method in methods] == ["initial", "lku_net", "textscf"]
    for method, run in zip(methods, ("initial", *SHIFTS), strict=True):
        order = ranked(study, run)
        for which, place in (("worst", 0), ("median", 2), ("best", 5)):
            line, pair = order.loc[place], method["pairs"][which]
            assert pair["fixed"]["title"] == f"Fixed: {line['fixed']}"
            assert pair["moving"]["title"] == f"Moving: {line['moving']}"
            assert f"the {which} of 6 test pairs by Dice. Fixed scan {line['fixed']}" in pair["words"]


def test_volumes_hold_the_labels_exactly_and_the_images_to_half_a_step(page: str, study: Results) -> None:
    volumes, cohort = volumes_in(page), cohort_in(study)
    for method, shift in zip(shown_in(page)["methods"], ((0, 0, 0), *SHIFTS.values()), strict=True):
        for pair in method["pairs"].values():
            fixed, moving = (pair[end]["title"].split(": ")[1] for end in ("fixed", "moving"))
            for scan, subject, by in (
                ("fixed", fixed, (0,) * 3),
                ("moving", moving, (0,) * 3),
                ("warped", moving, shift),
            ):
                labels, image = (volumes[pair[scan][kind]] for kind in ("labels", "image"))
                assert labels.get_data_dtype() == image.get_data_dtype() == np.uint8
                np.testing.assert_array_equal(labels.dataobj, shifted(cohort.load_labels(subject), by))
                expected = shifted(cohort.load_image(subject), by)
                np.testing.assert_allclose(np.asarray(image.dataobj) / 255, expected, atol=HALF_STEP)


def test_volumes_lie_where_the_cohorts_header_puts_them(page: str, study: Results) -> None:
    for volume in volumes_in(page).values():
        np.testing.assert_allclose(volume.affine, AFFINE)
        assert nib.aff2axcodes(volume.affine) == ("L", "A", "I")
        assert volume.header["sform_code"] > 0
    pair = shown_in(page)["methods"][0]["pairs"]["best"]
    labels = cohort_in(study).load_labels(pair["fixed"]["title"].split(": ")[1])
    voxel = np.rint(np.mean([np.argwhere(labels == label).mean(axis=0) for label in (1, 2)], axis=0))
    np.testing.assert_allclose(pair["centre"], AFFINE[:3, :3] @ voxel + AFFINE[:3, 3], atol=1e-3)


def test_equal_volumes_are_stored_once(page: str) -> None:
    methods = {method["run"]: method["pairs"] for method in shown_in(page)["methods"]}
    for run in ("initial", "lku_net"):
        for pair in methods[run].values():
            assert (pair["warped"]["image"], pair["warped"]["labels"]) == tuple(
                pair["moving"][k] for k in ("image", "labels")
            )
    subjects = {
        pair[end]["title"] for pairs in methods.values() for pair in pairs.values() for end in ("fixed", "moving")
    }
    scans = {title.split(": ")[1] for title in subjects}
    moved = {pair["moving"]["image"] for pair in methods["textscf"].values()}
    assert len(volumes_in(page)) == 2 * (len(scans) + len(moved))


def test_a_large_cohort_keeps_every_second_voxel_where_it_was(page: str, study: Results) -> None:
    full = volumes_in(page)
    size = sum(len(text) for text in re.findall(r'id="volume\d+">([^<]*)<', page))
    reduced = page_of(study, limit=size - 1)
    volumes = volumes_in(reduced)
    assert volumes.keys() == full.keys()
    for name, volume in volumes.items():
        assert volume.shape == (10, 12, 8)
        for index in ((0, 0, 0), (3, 5, 7), (9, 11, 1)):
            place = volume.affine @ (*index, 1)
            before = np.rint(np.linalg.solve(AFFINE, place)[:3]).astype(int)
            np.testing.assert_allclose(AFFINE @ (*before, 1), place, atol=1e-4)
            assert volume.dataobj[index] == full[name].dataobj[tuple(before)]
    assert "every 2nd voxel along each axis is kept, 4 x 6 x 3 mm apart" in reduced
    assert "10 x 12 x 8 voxels" in reduced
    assert "is kept" not in page
    assert f"{len(full)} different volumes of 20 x 24 x 16 voxels, {size / 1e6:.1f} MB in this page" in page


def test_the_smallest_sufficient_stride_is_taken() -> None:
    volumes = EmbeddedVolumes(np.eye(4))
    noise = np.random.default_rng(0).integers(0, 256, (21, 10, 9), np.uint8)
    assert [volumes.add(noise), volumes.add(noise + 1), volumes.add(noise.copy())] == ["volume0", "volume1", "volume0"]
    sizes = [volumes.encoded(10**6).size, volumes.encoded(4000).size]
    assert sizes[0] > 2 * noise.size * 4 / 3
    assert [volumes.encoded(limit).stride for limit in (sizes[0], sizes[0] - 1, sizes[1], sizes[1] - 1)] == [1, 2, 2, 3]
    assert volumes.encoded(sizes[1] - 1).shape == (7, 4, 3)
    with pytest.raises(ValueError, match="2 volumes of one voxel take more than 10 characters"):
        volumes.encoded(10)


def test_intensities_are_rounded_not_cut() -> None:
    assert as_bytes(np.array([-0.1, 0.0, 0.5 / 255 + 1e-6, 127.4 / 255, 1.0, 1.2])).tolist() == [0, 0, 1, 127, 255, 255]


def test_a_pairs_values_are_said_in_words(page: str, study: Results) -> None:
    methods = {method["run"]: method["pairs"] for method in shown_in(page)["methods"]}
    line, cohort = ranked(study, "textscf_seed1").loc[0], cohort_in(study)
    fixed, moving = (cohort.load_labels(line[end]) for end in ("fixed", "moving"))
    both = [(fixed == label, moving == label) for label in (1, 2)]
    before = 100 * np.mean([2 * (a & b).sum() / (a.sum() + b.sum()) for a, b in both])
    assert methods["textscf"]["worst"]["words"] == (
        f"textSCF: the worst of 6 test pairs by Dice. Fixed scan {line['fixed']}, moving scan {line['moving']}. "
        f"Dice {before:.1f} % before registration and {100 * line['dice']:.1f} % after it, HD95 {line['hd95']:.2f} mm. "
        "The first of 2 seeds is shown."
    )
    line = ranked(study, "initial").loc[5]
    told = f"Without registration: Dice {100 * line['dice']:.1f} %, HD95 {line['hd95']:.2f} mm."
    assert methods["initial"]["best"]["words"].endswith(told)
    assert methods["initial"]["best"]["warped"]["title"] == "Not registered"


def test_a_lost_structure_and_landmarks_are_said(results: Results) -> None:
    path = results.run_folder("lku_net_seed1") / "pairs.csv"
    write_csv(path, pd.read_csv(path).assign(hd95=np.inf, tre_mm=2.5))
    words = shown_in(page_of(results))["methods"][1]["pairs"]["median"]["words"]
    assert "HD95 infinite because the warp lost a structure. Mean distance of landmarks 2.50 mm. The first" in words


def test_scans_without_labels_are_chosen_by_their_landmarks(results: Results) -> None:
    folder = results.folder / "cohorts/toy_cohort"
    content = read_json(folder / "cohort.json")
    files = {name: checksum for name, checksum in content["files"].items() if name.startswith("images")}
    write_json(folder / "cohort.json", content | {"files": files})
    for path in (results.folder / "toy/runs").glob("*/pairs.csv"):
        frame = pd.read_csv(path)
        write_csv(path, frame.assign(dice=np.nan, hd95=np.nan, tre_mm=np.arange(6.0)[::-1]))
        write_csv(path.with_name("metrics.csv"), pd.read_csv(path.with_name("metrics.csv")).head(0))
    page = page_of(results)
    pairs = shown_in(page)["methods"][2]["pairs"]
    last = pd.read_csv(path).iloc[-1]
    assert pairs["best"]["words"] == (
        "textSCF: the best of 6 test pairs by landmark error. "
        f"Fixed scan {last['fixed']}, moving scan {last['moving']}. "
        "No Dice, since no structure is labelled in both scans. Mean distance of landmarks 0.00 mm. "
        "The first of 2 seeds is shown."
    )
    assert not np.asarray(volumes_in(page)[pairs["best"]["fixed"]["labels"]].dataobj).any()
    assert "No structure is coloured: the scans have no label maps." in page
    assert re.search(r'id="opacity"[^>]* disabled', page)


def test_the_page_says_what_it_shows_what_is_simulated_and_what_is_not_run(study: Results) -> None:
    rows = table_spec()["rows"]
    rows[2]["segmentor"] = "ground_truth"
    rows.append({"run": "im2grid", "label": "im2grid", "runs": [], "not_run": "no GPU at hand"})
    page = page_of(study, rows=rows)
    read = re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", "", page.partition("<script")[0])))
    assert "For each method of Table 3, this page shows three test pairs" in read
    assert read.count("Simulated data") == 2
    assert "Simulated abdomen: simulated anatomy, simulated CT." in read
    assert "<title>Pairs of Toy abdomen (simulated anatomy, simulated CT)" in page
    assert "† textSCF uses the fixed scan's ground-truth labels" in read
    assert "Not run: im2grid (no GPU at hand)." in read
    assert [method["label"] for method in shown_in(page)["methods"]] == ["Initial", "LKU-Net", "textSCF †"]
    assert "Simulated data" not in page_of(study, notices=[])


def test_the_method_shown_first_is_the_reference_or_the_last_one(study: Results) -> None:
    assert shown_in(page_of(study, reference="lku_net"))["first"] == "lku_net"
    assert shown_in(page_of(study, reference=None))["first"] == "textscf"


class Elements(HTMLParser):
    """All elements of a page with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_page_asks_for_no_other_file_and_labels_its_controls(page: str, study: Results) -> None:
    assert page == page_of(study)
    found = Elements(page).found
    sources = [
        attributes[key] for _, attributes in found for key in ("src", "href", "action", "data") if key in attributes
    ]
    assert sorted(map(str, sources)) == ["data:,", "report.html#table3"]
    policy = next(a["content"] for tag, a in found if tag == "meta" and "http-equiv" in a)
    assert str(policy).startswith(
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
    )
    identities = [attributes["id"] for _, attributes in found if "id" in attributes]
    assert len(identities) == len(set(identities))
    labelled = {attributes.get("for") for tag, attributes in found if tag == "label"}
    controls = [a for tag, a in found if tag in ("select", "input") and a.get("type") != "radio"]
    assert {a["id"] for a in controls} == labelled - {None} == {"method", "opacity", "planes"}
    assert re.findall(r'<label><input type="radio" name="pair" value="(\w+)" autocomplete="off">\1</label>', page) == [
        "best",
        "median",
        "worst",
    ]
    for name in re.findall(r'aria-(?:labelledby|describedby)="([^"]+)"', page):
        assert name in identities


def test_niivue_is_embedded_unchanged_with_its_licence(page: str, root: Path) -> None:
    vendor = root / "src/textscf/report/template/vendor"
    script, licences = (vendor / "niivue.umd.js").read_bytes(), (vendor / "niivue.LICENSES.txt").read_text()
    assert f"sha256: {hashlib.sha256(script).hexdigest()}" in licences
    embedded = re.findall(r'id="niivue">([^<]*)<', page)[0]
    assert gzip.decompress(base64.b64decode(embedded)) == script
    assert licences in html.unescape(page.partition("<pre>")[2].partition("</pre>")[0])
    assert "BSD 2-Clause License" in licences


def test_structures_have_the_anatomys_colours(page: str) -> None:
    assert shown_in(page)["structures"] == [
        {"label": 1, "name": "left blob", "colour": "#0072B2"},
        {"label": 2, "name": "right blob", "colour": "#D55E00"},
    ]
    assert '<li style="--swatch: #D55E00">right blob</li>' in page


def test_runs_of_two_cohorts_are_refused(results: Results) -> None:
    path = results.run_folder("textscf_seed1") / "config.yaml"
    write_yaml(path, read_yaml(path) | {"cohort": "brain"})
    with pytest.raises(InputError, match="table3: its runs are of cohorts brain, toy_cohort"):
        page_of(results)


def test_a_table_without_runs_is_refused(study: Results) -> None:
    rows = [row | {"runs": [], "not_run": "too long"} for row in table_spec()["rows"]]
    with pytest.raises(InputError, match="table3: none of its rows is run"):
        page_of(study, rows=rows, reference=None)


def test_the_report_needs_the_viewer_and_its_first_part_does_not(root: Path) -> None:
    study = load_study(read_yaml(root / "config/demo.yaml"), root / "config")
    assert viewed_table(study) == "table3"
    assert report_settings(study, "report")["viewer"] == "demo/pairs"
    assert report_settings(study, "quick")["viewer"] is None
    files = StudyFiles(study)
    assert "results/demo/pairs.html" in files.report("report")
    assert "results/demo/pairs.html" not in files.report("quick")


def test_a_study_without_a_table_of_accuracy_has_no_viewer(root: Path) -> None:
    demo = load_study(read_yaml(root / "config/demo.yaml"), root / "config")
    of_costs = dataclasses.replace(demo, tables={"complexity": demo.tables["complexity"]})
    for study in (of_costs, dataclasses.replace(demo, tables={})):
        assert viewed_table(study) is None
        assert report_settings(study, "report")["viewer"] is None


@pytest.fixture(scope="module")
def drawn(page: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """State of the page in a browser at the worst pair of textSCF, and where the colours are in an axial slice."""
    if BROWSER is None:
        pytest.skip("no chromium on this machine")
    folder = tmp_path_factory.mktemp("browser")
    (folder / "pairs.html").write_text(page.replace("</body>", f"<script>{OBSERVER}</script></body>"))
    command = [
        *[BROWSER, "--headless", "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking"],
        *["--disable-component-update", "--disable-sync", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"],
        *["--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={folder / 'profile'}"],
        *["--virtual-time-budget=60000", "--dump-dom", f"file://{folder / 'pairs.html'}#run=textscf&pair=worst"],
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    observed = re.findall(r'<script type="application/json" id="observed">(.*?)</script>', done.stdout)
    assert observed, done.stderr[-2000:]
    state = json.loads(observed[0])
    assert isinstance(state, dict)
    return state


def test_a_deep_link_leads_to_its_pair(drawn: dict[str, Any], page: str) -> None:
    pair = shown_in(page)["methods"][2]["pairs"]["worst"]
    assert drawn["problem"] == ""
    assert drawn["words"] == pair["words"]
    assert drawn["titles"] == [pair[scan]["title"] for scan in ("fixed", "moving", "warped")]


def test_the_structure_at_the_crosshair_is_named_for_each_scan(drawn: dict[str, Any], page: str) -> None:
    pair, volumes = shown_in(page)["methods"][2]["pairs"]["worst"], volumes_in(page)
    names = ("no structure", "left blob", "right blob")
    for moved, place in zip(drawn["places"], (pair["centre"], drawn["target"]), strict=True):
        voxel = tuple(np.rint(np.linalg.solve(AFFINE, (*place, 1))[:3]).astype(int))
        told = [f"{n}: {names[volumes[pair[n]['labels']].dataobj[voxel]]}" for n in ("fixed", "moving", "warped")]
        assert moved.endswith(f"mm): {'; '.join(told)}.")
    assert "fixed: left blob" in drawn["places"][1]


def test_the_patients_right_is_drawn_on_the_left(drawn: dict[str, Any], page: str) -> None:
    pair, volumes = shown_in(page)["methods"][2]["pairs"]["worst"], volumes_in(page)
    for scan in ("fixed", "moving", "warped"):
        labels = np.asarray(volumes[pair[scan]["labels"]].dataobj)
        x = {n: (AFFINE[0, 0] * np.argwhere(labels == n) + AFFINE[0, 3])[:, 0].mean() for n in (1, 2)}
        assert x[1] > x[2]
        assert drawn["columns"][scan]["left blob"] < drawn["columns"][scan]["right blob"]


def test_the_cohort_of_these_tests_tells_axes_apart() -> None:
    assert len(set(SHAPE)) == 3
