"""Reading bad files gives one clear line; writing leaves whole files or none."""

import gzip
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from tests.python_server import python
from textscf.errors import InputError
from textscf.files import io
from textscf.job import cli


def save(path: Path, data: np.ndarray, affine: np.ndarray | None = None) -> Path:
    nib.save(nib.Nifti1Image(data, np.eye(4) if affine is None else affine), path)
    return path


def test_image_round_trip_and_same_bytes(tmp_path: Path) -> None:
    data = np.random.default_rng(0).normal(size=(4, 5, 6)).astype(np.float32)
    affine = np.diag([2.0, 3.0, 4.0, 1.0])
    for name in ("a.nii.gz", "b.nii.gz"):
        io.write_nifti(tmp_path / name, data, affine)
    volume = io.read_image(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(volume.data, data)
    assert volume.spacing == (2.0, 3.0, 4.0)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


FLAT = np.array([[1.0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


def truncated(path: Path) -> Path:
    whole = save(path, np.random.default_rng(0).normal(size=(20, 20, 20))).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return path


def with_values(value: float) -> np.ndarray:
    data = np.zeros((4, 4, 4), dtype=np.float32)
    data[1, 2, 3] = value
    return data


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: p, "no such file"),
        (truncated, "cannot be read as NIfTI"),
        (lambda p: (p.write_bytes(gzip.compress(b"no header")), p)[1], "cannot be read as NIfTI"),
        (lambda p: save(p, np.zeros((4, 4, 4, 2), np.float32)), "has 4 dimensions, shape (4, 4, 4, 2); expected a 3-D"),
        (lambda p: save(p, with_values(np.nan)), "1 voxels are NaN or infinite"),
        (lambda p: save(p, with_values(np.inf)), "1 voxels are NaN or infinite"),
        (lambda p: save(p, with_values(0).astype(np.complex64)), "voxel type complex64"),
        (lambda p: save(p, with_values(0), FLAT), "the affine is singular"),
    ],
)
def test_images_that_cannot_be_used(tmp_path: Path, make, message: str) -> None:
    path = make(tmp_path / "scan.nii.gz")
    with pytest.raises(InputError) as error:
        io.read_image(path)
    assert str(path) in str(error.value)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("value", "message"), [(1.5, "not integers"), (-1, "labels range from -1 to 0"), (1e6, "expected 0 to 32767")]
)
def test_label_maps_that_cannot_be_used(tmp_path: Path, value: float, message: str) -> None:
    path = save(tmp_path / "labels.nii.gz", with_values(value))
    with pytest.raises(InputError, match=message):
        io.read_labels(path)


def test_labels_stored_as_floats_are_read_as_integers(tmp_path: Path) -> None:
    labels = io.read_labels(save(tmp_path / "labels.nii.gz", with_values(7))).data
    assert labels.dtype == np.int16
    assert labels[1, 2, 3] == 7


def test_nothing_half_written_is_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "out.txt"

    def fail() -> None:
        with io.atomic_path(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(path.parent.iterdir()) == []


def test_the_temporary_file_of_a_killed_process_is_removed_and_that_of_a_running_one_kept(
    tmp_path: Path, root: Path
) -> None:
    script = (
        "import pathlib, sys, time\n"
        "from textscf.files.io import atomic_path\n"
        "with atomic_path(pathlib.Path(sys.argv[1])) as temporary:\n"
        "    temporary.touch()\n"
        "    print(temporary, flush=True)\n"
        "    time.sleep(60)\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, tmp_path / "out.json"], cwd=root / "src", stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    killed, running = (Path(process.stdout.readline().strip()) for process in processes if process.stdout)
    try:
        processes[0].kill()
        processes[0].wait()
        assert killed.exists()
        io.write_json(tmp_path / "out.json", {"a": 1})
        assert not killed.exists()
        assert running.exists()
    finally:
        processes[1].kill()
        processes[1].communicate()
        processes[0].communicate()


def test_an_earlier_file_survives_a_failed_write(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    io.write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        io.write_json(path, {"a": object()})
    assert io.read_json(path) == {"a": 1}


@pytest.mark.parametrize("text", ["{a: ", "a: b: c", "[1, 2", "\t- a", "{[1]: 2}"])
def test_malformed_yaml_names_the_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"bad\.yaml"):
        io.read_yaml(path)


def test_malformed_json_and_binary_text_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text('{"a": 1,}')
    with pytest.raises(InputError, match=r"bad\.json: not valid JSON at line 1"):
        io.read_json(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8 text"):
        io.read_json(path)


def test_yaml_keeps_the_order_of_keys(tmp_path: Path) -> None:
    io.write_yaml(tmp_path / "a.yaml", {"z": 1, "a": [1, {"b": None}]})
    assert list(io.read_yaml(tmp_path / "a.yaml")) == ["z", "a"]


@pytest.mark.parametrize(
    ("raised", "code", "message"),
    [
        (InputError("x.nii: broken"), 2, "error: x.nii: broken\n"),
        (OSError(28, "No space left on device", "/full/file"), 2, "error: /full/file: No space left on device\n"),
        (OSError("the stream is\nclosed"), 2, "error: file system: the stream is closed\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_errors_become_one_line_and_an_exit_code(capsys, raised: BaseException, code: int, message: str) -> None:
    def main() -> None:
        raise raised

    with pytest.raises(SystemExit) as leaving:
        cli.run(main)
    assert leaving.value.code == code
    assert capsys.readouterr().err == message


def test_a_scripts_own_exit_code_is_kept() -> None:
    with pytest.raises(SystemExit) as leaving:
        cli.run(lambda: 75)
    assert leaving.value.code == 75


def test_the_log_goes_to_a_file(tmp_path: Path) -> None:
    code = "import sys, logging, pathlib; from textscf.job.cli import setup_logging;"
    code += "setup_logging(pathlib.Path(sys.argv[1])); logging.getLogger('x').info('hello')"
    log = tmp_path / "logs" / "a.log"
    subprocess.run([sys.executable, "-c", code, log], check=True, cwd=Path(io.__file__).parents[2])
    assert "INFO hello" in log.read_text()


@pytest.mark.parametrize("script", sorted((Path(__file__).parents[1] / "src").glob("*.py")), ids=lambda p: p.stem)
def test_every_script_explains_itself(script: Path) -> None:
    help_text = subprocess.check_output([python(), script, "--help"], text=True)
    assert "usage:" in help_text


def test_aliases_that_stand_for_too_many_values_are_refused(tmp_path: Path) -> None:
    lists = [f"k{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    (tmp_path / "bomb.yaml").write_text("\n".join(["k0: &a0 [x]", *lists]))
    with pytest.raises(InputError, match=r"bomb\.yaml: not valid YAML .more than 1000000 values"):
        io.read_yaml(tmp_path / "bomb.yaml")
    (tmp_path / "circle.yaml").write_text("a: &a [*a]\n")
    with pytest.raises(InputError, match=r"circle\.yaml: not valid YAML .nested too deep"):
        io.read_yaml(tmp_path / "circle.yaml")
    (tmp_path / "good.yaml").write_text("a: &a [1, 2]\nb: [*a, *a]\n")
    assert io.read_yaml(tmp_path / "good.yaml") == {"a": [1, 2], "b": [[1, 2], [1, 2]]}
