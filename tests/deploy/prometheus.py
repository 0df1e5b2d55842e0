"""A real Prometheus with our own alert rules, their durations divided so that a test can wait for them."""

import json
import re
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from countersign.free_ports import free_port
from devstack.processes import Part, Supervisor, responds
from tests.conftest import tool

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "alerts.yml"
FASTER = 60
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_DURATION = re.compile(r"(?<=[\[ ])(\d+)([smh])(?=\]|$| *\n|\s)")
_AGE = re.compile(r"(_(?:age|silent)_seconds\)) > (\d+)")


def hurried(rules: str) -> str:
    """Divide every duration of the rules, the age that makes a backlog, and the silence of a watcher."""
    rules = _DURATION.sub(lambda found: f"{int(found[1]) * _SECONDS[found[2]] * 1000 // FASTER}ms", rules)
    return _AGE.sub(lambda found: f"{found[1]} > {int(found[2]) / FASTER:g}", rules)


def ask(url: str, path: str) -> Any:
    """Ask a Prometheus' API."""
    with urllib.request.urlopen(f"{url}/api/v1/{path}", timeout=10) as answer:  # noqa: S310  # loopback
        reported = json.load(answer)
    assert reported["status"] == "success", reported
    return reported["data"]


class Prometheus:
    """Prometheus, asked over HTTP.

    Args:
        folder: Where its data goes.
        targets: What it scrapes, as `host:port`.
    """

    def __init__(self, folder: Path, targets: list[str]) -> None:
        self._folder = folder
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        (folder / "alerts.yml").write_text(hurried(RULES.read_text()))
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": ["alerts.yml"],
            "scrape_configs": [{"job_name": "countersign", "static_configs": [{"targets": targets}]}],
        }
        (folder / "prometheus.yml").write_text(json.dumps(config))

    async def start(self, supervisor: Supervisor) -> None:
        """Start it."""
        command = [tool("prometheus"), "--config.file", str(self._folder / "prometheus.yml")]
        command += ["--storage.tsdb.path", str(self._folder / "data")]
        command += ["--web.listen-address", f"127.0.0.1:{self._port}"]
        ready = responds(f"{self.url}/-/ready")
        await supervisor.start(Part("prometheus", command, ready, {}, self._folder))

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Evaluate an expression now."""
        found: list[dict[str, Any]] = self._get(f"query?{urllib.parse.urlencode({'query': expression})}")[
            "result"
        ]
        return found

    def firing(self) -> set[str]:
        """The names of the alerts that fire."""
        alerts = self._get("alerts")["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def _get(self, path: str) -> Any:
        return ask(self.url, path)
