"""Saved training states and the SIGTERM flag."""

import os
import signal
import zipfile
from pathlib import Path

import pytest
import torch

from tests.scan_files import make_checkpoint
from textscf.errors import InputError
from textscf.files.state import StopSignal, load_state, random_state, save_state, set_random_state
from textscf.registration.scan_pair import ScanRegistrar


def test_state_comes_back_equal(tmp_path: Path) -> None:
    state = {"step": 3, "network": {"weight": torch.arange(4.0)}, "history": [{"dice": 0.5}], "name": "run"}
    save_state(tmp_path / "state.pt", state)
    loaded = load_state(tmp_path / "state.pt")
    assert torch.equal(loaded.pop("network")["weight"], torch.arange(4.0))
    assert loaded == {"step": 3, "history": [{"dice": 0.5}], "name": "run"}


def test_same_state_same_bytes_under_any_name(tmp_path: Path) -> None:
    for name in ("a.pt", "other.pt"):
        save_state(tmp_path / name, {"weight": torch.ones(2)})
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "other.pt").read_bytes()


def test_failed_write_leaves_the_old_state(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    save_state(path, {"step": 1})
    with pytest.raises(AttributeError):
        save_state(path, {"step": lambda: None})
    assert load_state(path) == {"step": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.pt"]


def test_truncated_file_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    save_state(path, {"weight": torch.ones(100)})
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(InputError, match=r"state\.pt: cannot be read as a PyTorch checkpoint"):
        load_state(path)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint at all"])
def test_other_file_is_one_clear_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state.pt"
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read") as caught:
        load_state(path)
    assert "\n" not in str(caught.value)


def test_compressed_parts_are_refused_before_they_fill_the_memory(tmp_path: Path) -> None:
    save_state(tmp_path / "state.pt", {"weight": torch.zeros(10**6)})
    with zipfile.ZipFile(tmp_path / "state.pt") as good, zipfile.ZipFile(tmp_path / "packed.pt", "w") as packed:
        for name in good.namelist():
            packed.writestr(name, good.read(name), zipfile.ZIP_DEFLATED)
    with pytest.raises(InputError, match=r"packed\.pt: .*its parts are larger than the file"):
        load_state(tmp_path / "packed.pt")


@pytest.mark.parametrize(
    ("part", "key", "value", "reason"),
    [
        ("network", "encoder", [5000, 5000], "its settings ask for more than"),
        ("network", "encoder", None, "weights do not fit"),
        ("preprocess", "shape", 0.5, "the description of its cohort cannot be used"),
    ],
)
def test_settings_in_a_checkpoint_that_cannot_be_are_refused(
    tmp_path: Path, part: str, key: str, value: object, reason: str
) -> None:
    path = make_checkpoint(tmp_path)
    state = load_state(path)
    holder = state["run"]["network"]["backbone"] if part == "network" else state["cohort"]["preprocess"]
    holder[key] = value
    save_state(path, state)
    with pytest.raises(InputError, match=rf"checkpoint\.pt: .*{reason}"):
        ScanRegistrar(path, torch.device("cpu"))


def test_an_odd_format_is_one_line(tmp_path: Path) -> None:
    save_state(tmp_path / "state.pt", {"format": "other\ncheckpoint" + 100 * "x"})
    with pytest.raises(InputError, match=r"is no checkpoint of a run \(format 'other\\ncheckpointx+\);") as caught:
        ScanRegistrar(tmp_path / "state.pt", torch.device("cpu"))
    assert "\n" not in str(caught.value)


def test_missing_file_names_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.pt: no such file"):
        load_state(tmp_path / "nowhere.pt")


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    torch.save({"path": tmp_path}, tmp_path / "code.pt")
    with pytest.raises(InputError, match="cannot be read"):
        load_state(tmp_path / "code.pt")


def test_random_numbers_of_cpu_and_device_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda, seen = torch.device("cuda", 1), []
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device: torch.tensor([7]))
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, device: seen.append((state.tolist(), device)))
    states = {device: random_state(device) for device in (cuda, torch.device("cpu"))}
    expected = torch.rand(3)
    for device, state in states.items():
        torch.manual_seed(99)
        set_random_state(state, device)
        assert torch.equal(torch.rand(3), expected)
    set_random_state(states[torch.device("cpu")], cuda)
    assert seen == [([7], cuda)]


def test_list_is_not_a_state(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(InputError, match="holds list; expected a mapping"):
        load_state(tmp_path / "list.pt")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_signal_is_seen_and_the_handler_restored(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with StopSignal() as stop:
        assert not stop.requested
        os.kill(os.getpid(), number)
        assert stop.requested
    assert signal.getsignal(number) == before


def test_a_second_ctrl_c_interrupts_at_once() -> None:
    with StopSignal():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
