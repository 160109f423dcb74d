import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import urllib3

from sandbox.clients import sample_messages
from sandbox.fake_paynearme import messages
from sandbox.stack.sites import new_sites

ROOT = Path(__file__).parents[3]
READY_LINE = re.compile(r"ready: fake PayNearMe on (http://127\.0\.0\.1:[0-9]+)(?:, fault proxy on (\S+))?\n")


@pytest.fixture
def sites_file(tmp_path: Path) -> Path:
    file = tmp_path / "sites.json"
    file.write_text(json.dumps(new_sites()))
    return file


@pytest.mark.enable_socket
@pytest.mark.usefixtures("socket_enabled")
def test_servers_report_ready_and_stop_during_hang(sites_file: Path) -> None:
    entry = json.loads(sites_file.read_text())["sites"]["S2411573363"]
    message = messages.signed(sample_messages.load("get_smart_token")["plain"], entry["secret"])
    command = [sys.executable, "-m", "sandbox.stack.servers", "--paynearme-port", "0", "--sites", str(sites_file)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(  # noqa: S603 # a program of this project
        [*command, "--faults-port", "0", "--upstream", "http://127.0.0.1:1"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        ready = READY_LINE.fullmatch(process.stdout.readline())
        assert ready
        with urllib3.PoolManager(retries=False) as http:
            response = http.request("POST", f"{ready[1]}/json-api/get_smart_token", json=message)
            counts = http.request("GET", f"{ready[2]}/-/control/counts")
            http.request("POST", f"{ready[1]}/control/behaviour", json={"mode": "hang"})
            with pytest.raises(urllib3.exceptions.ReadTimeoutError):
                http.request("POST", f"{ready[1]}/json-api/get_smart_token", json=message, timeout=0.1)
        process.send_signal(signal.SIGTERM)
        remaining_output, errors = process.communicate(timeout=20)

    assert (response.status, response.json()["status"]) == (200, "ok")
    assert counts.json() == {}
    assert (process.returncode, remaining_output, errors) == (0, "", "")
