"""Brief output of Snakemake: one line per finished job, and what goes wrong in full."""

import logging
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from snakemake.logging import DefaultFormatter
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.registry import LoggerPluginRegistry

Log = Callable[..., None]


@pytest.fixture
def log() -> Log:
    """Logs a message with the attributes that Snakemake gives its records."""
    plugin = LoggerPluginRegistry().get_plugin("brief")
    handler = plugin.log_handler(None, None)
    handler.setFormatter(DefaultFormatter(show_failed_logs=True))

    def send(message: str = "", level: int = logging.INFO, **attributes: object) -> None:
        record = logging.LogRecord("snakemake", level, "", 0, message, None, None)
        vars(record).update(attributes)
        handler.emit(record)

    return send


def job(log: Log, number: int, rule: str, **wildcards: str) -> None:
    log(event=LogEvent.JOB_INFO, jobid=number, rule_name=rule, wildcards=wildcards)
    log(f"Finished jobid: {number}", event=LogEvent.JOB_FINISHED, job_id=number)


def test_a_finished_job_has_one_line(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    log("Select jobs to execute...")
    job(log, 3, "train", run="lku_net")
    log(event=LogEvent.PROGRESS, done=7, total=120)
    job(log, 4, "settings", place="demo")
    log(event=LogEvent.PROGRESS, done=8, total=120)
    assert capsys.readouterr().err == "  0:00    7 of 120 jobs  train lku_net\n"


def test_jobs_that_finish_together_share_a_line_and_the_last_count_is_shown(
    log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    job(log, 1, "train", run="a")
    job(log, 2, "evaluate", run="b")
    log(event=LogEvent.PROGRESS, done=119, total=120)
    job(log, 3, "settings", place="demo")
    log(event=LogEvent.PROGRESS, done=120, total=120)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["  0:00  119 of 120 jobs  train a, evaluate b", "  0:00  120 of 120 jobs"]


def test_errors_warnings_and_what_asks_for_it_are_shown(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    log("Study demo: 3 trainings.", always=True)
    log("disk is nearly full", logging.WARNING)
    log("WorkflowError: no such cohort", logging.ERROR)
    log("Provided cores: 2")
    log("Nothing to be done (all requested files are present and up to date).")
    assert capsys.readouterr().err.splitlines() == [
        *["Study demo: 3 trainings.", "disk is nearly full", "WorkflowError: no such cohort"],
        "Nothing to be done (all requested files are present and up to date).",
    ]


def test_targets_of_make_demo_are_not_taken_for_loggers(root: Path) -> None:
    """Every word after `--logger` that is not an option is a logger to Snakemake."""
    command = ["make", "--dry-run", "demo", "ARGS=quick"]
    shown = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    assert "snakemake --logger brief --cores all quick" in shown
