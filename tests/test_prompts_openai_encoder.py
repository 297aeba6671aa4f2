"""ada-002 against a local server that speaks the embeddings API; what is said, and what never is, when it fails."""

import http.server
import json
import logging
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tests.python_server import python
from tests.test_prompts_prompt_set import ANATOMY
from textscf.errors import InputError
from textscf.files.io import read_json, sha256_of
from textscf.prompts import load_embedding
from textscf.prompts.encoders.openai import OpenAIEncoder

KEY = "sk-test-0123456789abcdef"
MODEL = "text-embedding-ada-002"


class Service(http.server.ThreadingHTTPServer):
    """Answers by the next of `script`, a status or a list of embeddings; then by a vector for each text."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: list[Any] = []
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append({"path": self.path, **asked})
        self.server.keys.append(self.headers["Authorization"])
        step = self.server.script.pop(0) if self.server.script else [vector(text) for text in asked["input"]]
        if isinstance(step, int):
            status, body = step, {"error": {"message": f"Incorrect API key provided: {KEY}.", "code": "x"}}
        else:
            items = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(step)]
            status, body = 200, {"object": "list", "model": MODEL, "data": items[::-1], "usage": {}}
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("retry-after-ms", "1")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the tests' output clean."""


def vector(text: str) -> list[float]:
    return np.random.default_rng(list(text.encode())).normal(size=1536).tolist()


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    with Service() as running:
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{running.server_address[1]}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_vectors_come_in_the_order_of_the_prompts(service: Service) -> None:
    vectors = OpenAIEncoder(MODEL).encode(["liver", "spleen"], ["A liver.", "A spleen."])
    np.testing.assert_allclose(vectors, [vector("A liver."), vector("A spleen.")], rtol=1e-6)
    assert vectors.dtype == np.float32
    (request,) = service.requests
    assert (request["path"], request["model"], request["input"]) == ("/v1/embeddings", MODEL, ["A liver.", "A spleen."])
    assert service.keys == [f"Bearer {KEY}"]


def test_passing_faults_of_the_service_are_waited_for(service: Service) -> None:
    service.script = [500, 429]
    assert OpenAIEncoder(MODEL).encode(["liver"], ["A liver."]).shape == (1, 1536)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "the service answers 401: the key in OPENAI_API_KEY is not accepted"),
        (429, "the service answers 429: the limit of requests or the budget is used up"),
        (500, "the service answers 500: a fault of the service; try again later"),
    ],
)
def test_refusals_are_one_line_without_the_key(
    service: Service, status: int, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    service.script = [status] * 9
    with pytest.raises(InputError) as caught:
        OpenAIEncoder(MODEL).encode(["liver"], ["A liver."])
    assert str(caught.value) == f"encoder openai: {MODEL}: {message}"
    assert KEY not in caplog.text


@pytest.mark.parametrize(
    ("answer", "message"),
    [([[1.0, 2.0]], r"numbers of shape \(1, 2\); expected 2 vectors"), ([[1.0], [1.0, 2.0]], "no answer that can be")],
)
def test_answers_that_make_no_sense_are_refused(service: Service, answer: Any, message: str) -> None:
    service.script = [answer]
    with pytest.raises(InputError, match=message):
        OpenAIEncoder(MODEL).encode(["liver", "spleen"], ["A liver.", "A spleen."])


@pytest.mark.parametrize("key", ["sk-\n" + KEY, "sk-\N{BULLET}" + KEY])
@pytest.mark.usefixtures("service")
def test_a_key_that_is_none_is_not_shown(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(InputError) as caught:
        OpenAIEncoder(MODEL).encode(["liver"], ["A liver."])
    assert KEY not in str(caught.value)


@pytest.mark.usefixtures("service")
def test_without_a_key_or_a_service_the_message_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setattr("textscf.prompts.encoders.openai._ATTEMPTS", 1)
    with pytest.raises(InputError, match="the service cannot be reached"):
        OpenAIEncoder(MODEL).encode(["liver"], ["A liver."])
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(InputError, match="no key in the environment; expected OPENAI_API_KEY with a key of OpenAI"):
        OpenAIEncoder(MODEL).encode(["liver"], ["A liver."])


@pytest.mark.usefixtures("service")
def test_script_writes_the_artefact_of_every_encoder_and_no_key(root: Path, tmp_path: Path) -> None:
    content = yaml.safe_load((root / "config/prompts/ada_002.yaml").read_text())
    settings = {**content, "anatomy": ANATOMY, "modality": "computerized tomography"}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings))
    command = [python(), str(root / "src/embed_prompts.py"), "--config", str(tmp_path / "config.yaml")]
    done = subprocess.run([*command, "--out", str(tmp_path / "out/embedding.npz")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    embedding, provenance = load_embedding(tmp_path / "out/embedding.npz"), read_json(tmp_path / "out/embedding.json")
    assert embedding.vectors.shape == (3, 1536)
    np.testing.assert_allclose(embedding.vectors[1], vector(embedding.prompts[1]), rtol=1e-6)
    assert provenance["sha256"] == sha256_of(tmp_path / "out/embedding.npz")
    assert (provenance["encoder"], provenance["model"], provenance["service"]) == ("openai", MODEL, "OpenAI API")
    written = [path.read_bytes() for path in (tmp_path / "out").iterdir()]
    assert not any(KEY.encode() in part for part in (*written, done.stderr.encode(), done.stdout.encode()))
