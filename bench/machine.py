"""What the figures were measured on: the first line of every run."""

import os
import platform
import ssl
import subprocess
from pathlib import Path

from bench.figures import Figures
from coterie.server.engine import engine_binary


def machine() -> Figures:
    return {
        "bench": "machine",
        "cpu": _field("/proc/cpuinfo", "model name") or platform.processor(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "tls": ssl.OPENSSL_VERSION,
        "engine": _said(str(engine_binary()), "--version"),
        "commit": _said("git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"),
        "load_average": round(os.getloadavg()[0], 2),
    }


def _field(file: str, name: str) -> str:
    path = Path(file)
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def _said(*command: str) -> str:
    """What a program prints; nothing if it is not here."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
