"""The report: all that it was given is on the page, nothing is fetched from elsewhere, and it works in a browser."""

import base64
import html
import itertools
import re
import shutil
import subprocess
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.report_files import NOTICE, REASON, TRAINED, environment, png, report_spec, write_study, write_training
from tests.result_files import table_spec
from textscf.claims.claims_page import make
from textscf.claims.evidence import Page
from textscf.errors import InputError
from textscf.files.io import read_json, read_yaml, write_csv, write_json, write_yaml
from textscf.report import load_shown, report
from textscf.report.curves import HEIGHT, POINTS, WIDTH
from textscf.results.items import Results
from textscf.tables.content import Content
from textscf.tables.display import Cell, Column, Display
from textscf.tables.written import write_page, write_table

DAY = date(2024, 5, 6)
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    results = tmp_path_factory.mktemp("study")
    write_study(results, root / "config/reported.yaml")
    return results


@pytest.fixture
def results(study: Path, tmp_path: Path) -> Path:
    """A copy of the study that a test may change."""
    return Path(shutil.copytree(study, tmp_path / "results"))


def page(results: Path, **changes: Any) -> str:
    path = results / "toy/report/config.yaml"
    write_yaml(path, report_spec(**changes))
    return report(load_shown(path), results, DAY)[0]


def words(text: str) -> str:
    """The page as it is read, tags and line breaks aside."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", text)))


def embedded(section: str, name: str) -> bytes:
    """Content of a file that a section offers for download."""
    found = re.search(rf'<a href="data:[a-z/-]+;base64,([^"]*)" download="{re.escape(name)}">', section)
    assert found, name
    return base64.b64decode(found[1])


@pytest.fixture(scope="module")
def whole(study: Path) -> str:
    return page(study)


@pytest.mark.parametrize("table", ["table3", "table5"])
def test_every_cell_caption_and_note_of_the_tables_is_there(whole: str, study: Path, table: str) -> None:
    made = (study / f"toy/tables/{table}.html").read_text()
    cells = re.findall(r"<t[hd][^>]*>.*?</t[hd]>", made)
    assert len(cells) > 4 * 8
    section = whole.partition(f'id="{table}"')[2].partition("</section>")[0]
    assert [cell for cell in cells if cell not in section] == []
    assert "Not run: im2grid" in section
    assert "Accuracy of all methods." in section
    for suffix in (".csv", ".md", ".tex", "_tests.csv"):
        assert embedded(section, f"{table}{suffix}") == (study / f"toy/tables/{table}{suffix}").read_bytes()


def test_every_figure_is_there_with_its_caption_and_the_files_that_exist(whole: str) -> None:
    source = f"data:image/png;base64,{base64.b64encode(png()).decode()}"
    assert whole.count(source) == 5
    for name, alternative in (("figure3", "Figure 3"), ("figure4a", "Figure 4a"), ("example", "Example")):
        section = whole.partition(f'id="{name}"')[2].partition("</section>")[0]
        assert f'alt="{alternative}: What {name} shows."' in section
        assert f"The caption of {name} &amp; more." in section
        assert embedded(section, f"{name}.pdf") == b"%PDF"
        assert (f'download="{name}.csv"' in section) == (name == "figure3")


def test_examples_stand_together_from_best_to_worst(whole: str) -> None:
    section = whole.partition('<section id="examples">')[2].partition('<section id="segmentors">')[0]
    assert re.findall(r"<h3>(.*?)</h3>", section) == ["Example 2: the best pair", "Example: the worst pair"]


def test_the_head_says_what_is_simulated_when_and_by_which_code(whole: str) -> None:
    assert f"<title>Toy abdomen ({NOTICE})" in whole
    assert (
        f'<aside class="banner" aria-label="Simulated data"><strong>Simulated data:</strong> {NOTICE}</aside>' in whole
    )
    head = words(whole.partition("<h1>")[2].partition("<h2>")[0])
    assert "Toy abdomen Study toy · Toy <abdomen> · 2024-05-06" in head
    assert "first part" not in head


def test_real_data_have_no_banner(study: Path) -> None:
    cohort = report_spec()["cohorts"][0] | {"notice": None}
    assert 'class="banner"' not in page(study, cohorts=[cohort])


def summary_of(text: str) -> str:
    return words(text.partition('<p class="summary">')[2].partition("</dl>")[0]).strip()


def test_the_summary_says_who_wins_by_how_much_at_what_cost_and_on_what_data(whole: str, study: Path) -> None:
    tests = pd.read_csv(study / "toy/tables/table3_tests.csv").query("structure == 'all'").set_index("method")
    of_textscf, of_lku_net = (tests.loc["LKU-Net", f"mean_{which}"] for which in ("reference", "method"))
    text = summary_of(whole)
    assert text.startswith(
        f"textSCF has the highest mean Dice, {of_textscf:.2f} % over 20 test pairs; LKU-Net has {of_lku_net:.2f} %. "
    )
    for method, role in (("LKU-Net", "the best other method"), ("Initial", "before registration")):
        line = tests.loc[method]
        low, high = line["difference_ci95_low"], line["difference_ci95_high"]
        assert low > 0
        assert (
            f"textSCF against {method} ({role}) +{line['difference']:.2f} points of Dice "
            f"(95 % interval by subjects +{low:.2f} to +{high:.2f}, which excludes zero)"
        ) in text
    assert "Training 10 epochs of 100 steps. 2 of 2 methods have converged." in text
    assert f"Data Simulated abdomen; {NOTICE}" in text
    assert text.endswith(f"Not run im2grid ({REASON}).")


def test_the_summary_names_the_winner_and_the_backbone_whichever_wins(results: Path) -> None:
    path = results / "toy/tables/table3_tests.csv"
    frame = pd.read_csv(path)
    ahead = frame["method"].eq("LKU-Net")
    frame.loc[ahead, ["mean_method", "difference"]] = [95.0, -5.0]
    frame.loc[ahead, ["difference_ci95_low", "difference_ci95_high"]] = [-6.0, -4.0]
    write_csv(path, frame)
    for run, head in (("lku_net", None), ("textscf", {"kind": "scf"})):
        settings = results / f"toy/runs/{run}_seed1/config.yaml"
        write_yaml(settings, read_yaml(settings) | {"network": {"backbone": {"name": "lku_net"}, "head": head}})
    text = summary_of(page(results))
    assert "LKU-Net has the highest mean Dice, 95.00 % over 20 test pairs; textSCF has" in text
    assert "against LKU-Net (the best other method and the same network without text) −5.00 points" in text
    assert "−6.00 to −4.00, which excludes zero" in text


def test_the_summary_tells_when_the_subjects_do_not_decide(results: Path) -> None:
    path = results / "toy/tables/table3_tests.csv"
    frame = pd.read_csv(path)
    write_csv(path, frame.assign(difference_ci95_low=-1.0))
    text = summary_of(page(results))
    assert "%, which the test subjects do not tell apart. " in text
    assert "−1.00 to" in text
    assert "which includes zero" in text
    write_csv(path, frame.assign(difference_ci95_low=None, difference_ci95_high=None))
    assert "(no interval, for want of test subjects)" in summary_of(page(results))


def test_a_summary_compares_no_method_that_sees_the_labels_and_needs_a_reference(results: Path) -> None:
    path = results / "toy/tables/table3/config.yaml"
    rows = [row | {"segmentor": "ground_truth"} if row["run"] == "lku_net" else row for row in table_spec()["rows"]]
    write_yaml(path, table_spec(rows=rows))
    assert "Initial (the best other method)" in page(results)
    write_yaml(path, table_spec(reference=None))
    assert "best other method" not in page(results)


def test_the_main_result_is_also_plain_text(study: Path) -> None:
    path = study / "toy/report/config.yaml"
    write_yaml(path, report_spec())
    made, text = report(load_shown(path), study, DAY)
    lines = text.splitlines()
    assert lines[0].startswith("Toy abdomen: textSCF has the highest mean Dice, ")
    assert all(line.startswith("- ") for line in lines[1:])
    assert [line.partition(":")[0].removeprefix("- ") for line in lines[1:]] == re.findall("<dt>(.*?)</dt>", made)[:5]


def test_what_was_not_run_is_listed_with_the_reason_and_where_it_is_missing(results: Path) -> None:
    path = results / "toy/figures/figure4a/config.yaml"
    spec = read_yaml(path)
    point = {"run": "sweep-smoothness0.3", "label": "Sweep", "runs": [], "swept": {"loss.smoothness": 0.3}}
    spec["rows"].append({"run": "sweep", "label": "Sweep", "runs": [], "points": [point | {"not_run": "too long"}]})
    spec["rows"][0]["with_head"] = {"run": "head", "label": "Initial", "runs": [], "not_run": "no labels"}
    spec["rows"].append({"run": "numbered", "label": "7", "runs": [], "not_run": "no weights"})
    write_yaml(path, spec)
    lines = re.findall(
        r"<tr>(.*?)</tr>", page(results).partition('<section id="not-run">')[2].partition("</section>")[0]
    )
    assert [words(line).split("  ")[0].strip() for line in lines[1:]] == [
        f"im2grid im2grid {REASON} Table 3, Table 5",
        "Initial with the text-driven head head no labels Figure 4a",
        "Sweep, smoothness 0.3 sweep-smoothness0.3 too long Figure 4a",
        "Figure 4a, row 7 numbered no weights Figure 4a",
    ]


def test_what_would_show_nothing_is_named(results: Path) -> None:
    assert "None of their rows is run: figure7, figure8." in words(page(results, left_out=["figure7", "figure8"]))


def test_nothing_is_said_of_omissions_where_all_was_run(results: Path) -> None:
    for name in ("table3", "table5"):
        write_yaml(results / f"toy/tables/{name}/config.yaml", table_spec(name=name))
    assert 'id="not-run"' not in page(results)


def test_a_forest_plot_stands_between_the_main_table_and_the_main_figure(results: Path) -> None:
    path = results / "toy/figures/figure4a/config.yaml"
    spec = read_yaml(path)
    write_yaml(path, spec | {"kind": "forest"})
    text = page(results)
    write_yaml(path, spec)
    places = [text.index(f'id="{name}"') for name in ("table3", "figure4a", "figure3", "tables")]
    assert places == sorted(places)
    assert text.count('id="figure4a"') == 1
    assert text.index('href="#figure4a"') < text.index('href="#figure3"')


def test_each_training_has_its_curves_and_its_cost(whole: str) -> None:
    panels = re.findall(r'<figure class="panel">.*?</figure>', whole, re.DOTALL)
    assert len(panels) == len(TRAINED)
    assert "LKU-Net, seed 1" in panels[0]
    assert "50 steps in 100 s, 2 s each; 1.50 GiB; CPU: An old processor" in panels[0]
    assert 'aria-label="validation Dice from 0.3 to 0.4; loss from 0.7 to 0.6; Dice loss from 0.6 to 0.5"' in panels[0]
    for panel in panels:
        paths = re.findall(r'class="c\d" d="M([^"]*)"', panel)
        points = [tuple(map(int, point.split())) for path in paths for point in path.split("L")]
        assert len(paths) == 3
        assert len(points) == 3 * 5
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)
    assert "between 30.0 % (lower line) and 43.0 % (upper line)" in words(whole)
    assert "Energy (kJ)" not in whole


def test_long_histories_are_thinned_and_hundreds_of_runs_stay_small(results: Path) -> None:
    seeds = [f"lku_net_seed{seed}" for seed in range(1, 301)]
    for number, run in enumerate(seeds):
        write_training(results / "toy/runs" / run, number, epochs=200)
        shutil.copy(results / "toy/runs/textscf_seed1/config.yaml", results / f"toy/runs/{run}/config.yaml")
    path = results / "toy/tables/table5/config.yaml"
    spec = read_yaml(path)
    spec["rows"][1]["runs"] = seeds
    write_yaml(path, spec)
    text = page(results)
    assert text.count('<figure class="panel">') == 302
    assert len(text) < 1_500_000
    assert max(path.count("L") for path in re.findall(r' d="([^"]*)"', text)) == POINTS - 1


def test_the_plan_is_in_the_whole_report(results: Path) -> None:
    assert f"The whole study: {report_spec()['plan']}." in words(page(results))
    assert "The whole study" not in page(results, plan=None)


def test_segmentors_are_shown_by_split_and_prompt_sets_by_their_similarities(whole: str, study: Path) -> None:
    section = whole.partition('<section id="segmentors">')[2].partition("</section>")[0]
    assert "tiny toy_cohort 90.0 (5) 62.5 (2) 80.0 (7)" in words(section)
    section = whole.partition('<section id="prompts">')[2].partition("</section>")[0]
    assert 'alt="Prompt set words, toy_cohort: Cosine similarity between the vectors' in section
    assert embedded(section, "similarity.pdf") == b"%PDF"
    text = page(study, segmentors=[], prompts=[])
    assert 'id="segmentors"' not in text
    assert 'id="prompts"' not in text


def test_energy_is_shown_where_a_device_told_it(results: Path) -> None:
    path = results / "toy/runs/textscf_seed1/timing.json"
    write_json(path, read_json(path) | {"energy_joules": 1.8e6, "peak_device_memory_gib": 7.25})
    text = words(page(results))
    assert "Energy: 0.5 kWh on the GPUs in 1 of 4 trainings." in text
    assert "1800.00" in text
    assert "7.25 GiB" in text


def test_a_training_that_still_learned_or_went_back_is_marked(whole: str, results: Path) -> None:
    assert "Restarts" not in words(whole)
    path = results / "toy/runs/textscf_seed1/timing.json"
    restart = {"step": 40, "back_to": 20, "sign": "the smoothness term is 1e+09, and was 0.2 before"}
    write_json(path, read_json(path) | {"last_rise": 0.0124, "converged": False, "restarts": [restart]})
    text = words(page(results))
    assert "+1.24 §" in text
    assert "+0.10 §" not in text
    assert "Restarts: how often a training diverged" in text


def test_time_is_summed_by_rule(whole: str) -> None:
    lines = [words(line).split() for line in re.findall(r"<tr>(.*?)</tr>", whole.partition("<b>Stages.</b>")[2])]
    table = {line[0]: line[1:] for line in lines if line}
    minutes = (100 + 101 + 102 + 103) / 60
    assert table["train"] == ["4", f"{minutes:.2f}", f"{103 / 60:.2f}", f"{2 * minutes:.2f}", "2.00"]
    assert table["train_segmentor"][:2] == ["1", "10.00"]


def test_different_code_and_devices_cannot_be_overlooked(whole: str, results: Path) -> None:
    assert "Mind:" not in whole
    packages = {"torch": "3.0.0", "monai": None}
    changed = environment(git_revision="abcdef012345-dirty", device="A GPU", precision="bfloat16", packages=packages)
    write_json(results / "toy/runs/textscf_seed1/environment.json", changed)
    text = words(page(results))
    head = text.partition("Main result Table 3")[2].partition("has the highest mean Dice")[0]
    for part in (
        "2 different code revisions: 0123456789ab (3 runs), abcdef012345-dirty (1 run).",
        "2 different devices: CPU: An old processor (3 runs), A GPU (1 run).",
        "2 different precisions: float32 (3 runs), bfloat16 (1 run).",
        "2 different sets of packages.",
        "1 of 4 trained runs come from code with uncommitted changes.",
    ):
        assert part in head
    assert "2.99.0 (3 runs), 3.0.0 (1 run)" in text


def test_a_training_that_did_not_record_its_precision_is_told(results: Path) -> None:
    path = results / "toy/runs/textscf_seed1/environment.json"
    write_json(path, {key: value for key, value in environment().items() if key != "precision"})
    assert "2 different precisions: float32 (3 runs), not recorded (1 run)." in words(page(results))


def test_settings_are_told_once_where_they_are_common(results: Path) -> None:
    text = page(results)
    common = html.unescape(text.partition("all trained runs share</summary>")[2].partition("</pre>")[0])
    assert "training.epochs: 10" in common
    assert "seed" not in common
    own = text.partition("beside these</summary>")[2].partition("</pre>")[0]
    assert "textscf_seed2\n  seed: 2" in own
    cohort = text.partition("Settings of cohort toy_cohort</summary>")[2].partition("</pre>")[0]
    assert "axes: LAS" in cohort
    assert "organs" not in cohort


def test_the_first_part_says_so_and_shows_the_headline_alone(study: Path) -> None:
    shown = {"tables": ["toy/tables/table3"], "figures": ["toy/figures/figure3"], "examples": []}
    shown |= {"segmentors": [], "prompts": []}
    text = page(study, part="quick", **shown)
    assert "first part of the report" in text
    assert text.count("data:image/png") == 1
    assert 'id="table3"' in text
    assert 'id="table5"' not in text


def test_the_claims_stand_after_the_main_result_with_their_count_and_files(results: Path) -> None:
    claim = {
        "id": "x",
        "place": "Section 5",
        "statement": "It works elsewhere.",
        "kind": "untestable",
        "reason": "no data",
    }
    claims = Page("toy", "Toy abdomen", ["Toys"], [], False, "paper", [claim], {}, {}, {}, {})
    write_page(make(claims, Results(results, "toy")), results / "toy/claims.csv")
    text = page(results, claims="toy/claims")
    section = text.partition('<section id="claims-of-the-paper">')[2].partition("</section>")[0]
    assert "0 of 0 testable claims reproduced; 1 not tested in this study." in section
    assert "It works elsewhere." in section
    assert 'href="#claims-of-the-paper"' in text
    assert re.findall('download="(claims[^"]*)"', section) == ["claims.csv", "claims.md"]
    assert text.index('<section id="main">') < text.index(section) < text.index('<section id="tables">')
    (results / "toy/claims.json").unlink()
    with pytest.raises(InputError, match=r"claims\.json: no such file"):
        page(results, claims="toy/claims")


def test_rows_of_the_main_table_link_to_their_pairs(results: Path) -> None:
    text = page(results, viewer="toy/pairs")
    main = text.partition('id="table3"')[2].partition("</section>")[0]
    names = re.findall(r'<th scope="row">(.*?)</th>', main)
    labels = {"initial": "Initial", "lku_net": "LKU-Net", "textscf": "textSCF"}
    for name, (run, label) in zip(names, labels.items(), strict=False):
        assert re.fullmatch(f'<a href="pairs.html#run={run}">{label}[ ¶]*</a>', name)
    assert names[3:] == ["im2grid"]
    assert re.findall(r'href="(pairs.html[^"]*)"', text.partition('id="table3"')[2])[-1] == "pairs.html"
    assert len(re.findall('href="pairs.html', text)) == 4
    assert "pairs.html" not in page(results)


def test_a_study_may_have_neither_table_nor_trained_run(results: Path) -> None:
    nothing: dict[str, Any] = {"tables": [], "figures": ["toy/figures/bare"], "examples": [], "runs": []}
    nothing |= {"segmentors": [], "prompts": []}
    spec = read_yaml(results / "toy/figures/figure3/config.yaml")
    write_yaml(
        results / "toy/figures/bare/config.yaml", {**spec, "name": "bare", "reference": None, "rows": spec["rows"][:1]}
    )
    for suffix in (".png", ".txt"):
        shutil.copy(results / f"toy/figures/figure3{suffix}", results / f"toy/figures/bare{suffix}")
    text = page(results, headline={"table": None, "figure": "toy/figures/bare"}, **nothing)
    assert 'id="training"' not in text
    assert text.count("<h2>") == 2


@pytest.mark.parametrize(
    "path",
    [
        *["tables/table5.json", "tables/table3_tests.csv", "tables/table3/config.yaml", "figures/figure4a.png"],
        *["figures/figure4a.txt", "figures/example/config.yaml", "runs/textscf_seed2/history.csv"],
        *["runs/textscf_seed2/timing.json", "runs/textscf_seed2/environment.json", "runs/textscf_seed2/config.yaml"],
    ],
)
def test_a_missing_file_is_named(results: Path, path: str) -> None:
    (results / "toy" / path).unlink()
    with pytest.raises(InputError, match=rf"{re.escape(path)}: no such file"):
        page(results)


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("tables/table3.json", "{}", "holds no readable table"),
        ("figures/figure3.png", "GIF89a", "not a PNG image"),
        ("runs/lku_net_seed1/timing.json", "{}", "key 'steps' is missing"),
        ("runs/lku_net_seed1/history.csv", "step,loss\n1,2\n", "has no column 'validation_dice'"),
    ],
)
def test_a_file_of_another_kind_is_refused(results: Path, path: str, content: str, message: str) -> None:
    (results / "toy" / path).write_text(content)
    with pytest.raises(InputError, match=f"{re.escape(path)}: {message}"):
        page(results)


def test_an_unknown_setting_is_refused(results: Path) -> None:
    with pytest.raises(InputError, match="unknown key 'colour'"):
        page(results, colour="red")


def test_same_files_same_page_and_nothing_from_elsewhere(whole: str, study: Path) -> None:
    assert page(study) == whole
    assert not re.search(r"<[^>]* (src|href|srcset|action|poster|data)\s*=\s*[^\"\s]", whole)
    targets = re.findall(r'\b(?:src|href|srcset|action|poster|data)="([^"]*)"', whole)
    assert [target for target in targets if not target.startswith(("#", "data:"))] == []
    assert not re.search(r"@import|url\(|https?://|<link|<iframe|<object|fetch\(|XMLHttpRequest", whole)


def test_headings_are_in_order_and_anchors_lead_somewhere(whole: str) -> None:
    levels = [int(level) for level in re.findall(r"<h([1-6])", whole)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    identities = re.findall(r'\bid="([^"]+)"', whole)
    assert len(identities) == len(set(identities))
    assert set(re.findall(r'href="#([^"]+)"', whole)) <= set(identities)
    assert whole.count("<img") == len(re.findall(r'<img[^>]* alt="', whole))


@pytest.fixture(scope="module")
def clicked(study: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page in a browser after clicks on headings of a table and on a figure."""
    if BROWSER is None:
        pytest.skip("no chromium on this machine")
    folder = tmp_path_factory.mktemp("browser")
    results = Path(shutil.copytree(study, folder / "results"))
    values = ["9.5 ± 0.1", "-", "10.25", "<0.01", "−3.0", "not run", "∞", "1,234", "0.00"]
    names = [f"method {number}" for number in range(len(values))]
    for table, heading in (("table3", "HD95 (mm) ↓"), ("table5", "Dice (%) ↑")):
        columns = [Column("Method", "", [Cell(n) for n in names]), Column(heading, "", [Cell(v) for v in values])]
        shown = Display(table, table, "Cells of all sorts.", columns, [])
        write_table(Content(pd.DataFrame(), shown), results / f"toy/tables/{table}.csv")
    clicks = """<script>
      const click = (selector) => document.querySelector(selector).click();
      click('#table3 th[data-column="1"] button');
      click('#table5 th[data-column="0"] button'); click('#table5 th[data-column="0"] button');
      click('#table5 th[data-column="1"] button');
      click('#figure4a button');
    </script></body>"""
    (folder / "page.html").write_text(page(results).replace("</body>", clicks))
    command = [
        *[BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
        *["--disable-background-networking", "--disable-component-update", "--disable-sync"],
        *["--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={folder / 'profile'}", "--dump-dom"],
    ]
    shown_page = subprocess.run(
        [*command, f"file://{folder / 'page.html'}"], capture_output=True, text=True, timeout=120
    )
    assert shown_page.returncode == 0, shown_page.stderr
    return shown_page.stdout


def _sorted_cells(dom: str, table: str) -> list[str]:
    section = dom.partition(f'id="{table}"')[2].partition("</section>")[0]
    return [html.unescape(text) for text in re.findall(r"<td[^>]*>(.*?)</td>", section)]


def test_a_click_puts_the_best_first_and_what_is_missing_last(clicked: str) -> None:
    ascending = ["−3.0", "0.00", "<0.01", "9.5 ± 0.1", "10.25", "1,234", "∞", "-", "not run"]
    assert _sorted_cells(clicked, "table3") == ascending
    assert _sorted_cells(clicked, "table5") == [*reversed(ascending[:7]), "-", "not run"]


def test_the_heading_tells_the_order(clicked: str) -> None:
    for table, order in (("table3", "ascending"), ("table5", "descending")):
        section = clicked.partition(f'id="{table}"')[2].partition("</section>")[0]
        assert re.findall(r'aria-sort="(\w+)"', section) == ["none", order]


def test_a_click_enlarges_a_figure(clicked: str) -> None:
    viewer = clicked.partition("<dialog")[2].partition("</dialog>")[0]
    assert "open" in viewer.partition(">")[0]
    assert 'alt="Figure 4a: What figure4a shows."' in viewer
    assert "data:image/png;base64," in viewer
