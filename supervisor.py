"""What bin/serve runs: database, demo, then web, clock and (in development) the stand-ins, kept alive until Ctrl-C."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from urllib.error import URLError
from urllib.request import urlopen

from core.settings import CLOCK_FILE, Settings, SettingsRefused, configure
from migrations.run import is_in_use

ROOT = Path(__file__).parent
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 10
RESTART_AFTER_S = 1.0
PR_SET_PDEATHSIG = 1


@dataclass
class Child:
    """A process we keep alive; each leads a process group, so that nothing of it is left behind."""

    name: str
    words: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    restarts: int = 0
    started_at: float = field(default=0.0)

    def start(self) -> None:
        """Start the process; it ends when we do, even when we are killed."""
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(  # noqa: S603 - our own words
            self.words,
            cwd=ROOT,
            start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - one prctl call, no threads yet
        )

    def signal(self, number: int) -> None:
        """Tell the whole group."""
        if self.process is not None:
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                return

    def keep_alive(self) -> None:
        """Start it again when it has ended on its own, the rest of its group first gone."""
        if (
            self.process is None
            or self.process.poll() is None
            or time.monotonic() - self.started_at < RESTART_AFTER_S
        ):
            return
        _say(f"{self.name} ended with {self.process.returncode}; starting it again")
        self.signal(signal.SIGKILL)
        self.restarts += 1
        self.start()


def _say(sentence: str) -> None:
    print(sentence, flush=True)  # noqa: T201 - this is what the person at the terminal reads


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def children(settings: Settings) -> list[Child]:
    """Everything that runs, in the order of starting."""
    python, here = sys.executable, "127.0.0.1"
    web = [
        *(python, "-m", "webserver", "--host", settings.host, "--port", str(settings.port)),
        *("--workers", str(settings.workers)),
    ]
    started = [Child("clock", [python, "-m", "scheduler"]), Child("web", web)]
    if settings.local_stripe:
        started.insert(0, local_stripe(settings))
    if not settings.production:
        shop = ["--port", str(settings.shop_port), "--spokes-url", f"http://{here}:{settings.port}"]
        files = [
            "--api-key-file",
            str(settings.data_dir / "shop-api-key"),
            "--state",
            str(settings.data_dir / "shop.sqlite"),
        ]
        files += ["--webhook-secret-file", str(settings.data_dir / "shop-webhook-secret")]
        time_machine = ["--clock-ahead-file", str(settings.data_dir / CLOCK_FILE)]
        paying = ["--stripe-url", settings.stripe_base] if settings.local_stripe else []
        started.append(Child("shop", [python, "-m", "sandbox.shop", *shop, *files, *time_machine, *paying]))
    return started


def local_stripe(settings: Settings) -> Child:
    """The bundled local Stripe, as a child."""
    return Child(
        "local Stripe",
        [
            *(sys.executable, "-m", "sandbox.stripe", "--port", str(settings.stripe_port)),
            *("--state", str(settings.data_dir / "stripe.sqlite")),
            *(
                "--webhook-url",
                f"http://127.0.0.1:{settings.port}/webhooks/stripe",
                "--webhook-secret",
                settings.stripe_secret,
            ),
            *("--connect-webhook-url", f"http://127.0.0.1:{settings.port}/webhooks/stripe-connect"),
            *("--connect-webhook-secret", settings.stripe_connect_secret),
        ],
    )


def answers(url: str) -> bool:
    """Whether there is a good answer at this address."""
    try:
        with urlopen(url, timeout=2) as answer:  # noqa: S310 - our own address
            return bool(answer.status == 200)  # noqa: PLR2004 - OK
    except (URLError, OSError):
        return False


def wait_for(url: str, child: Child) -> None:
    """Wait until a child answers; raises SystemExit with a sentence when it does not."""
    until = time.monotonic() + START_TIMEOUT_S
    while not answers(url):
        if time.monotonic() > until or (child.process is not None and child.process.poll() is not None):
            raise SystemExit(f"{child.name} did not start; its last words are above.")
        time.sleep(0.05)


def run(*words: str) -> str:
    """Run one of our own commands to its end; the answer is what it printed."""
    command = [sys.executable, "-m", "cli", *words]
    done = subprocess.run(  # noqa: S603 - our own words
        command, cwd=ROOT, preexec_fn=_die_with_parent, check=False, stdout=subprocess.PIPE, text=True
    )
    if done.returncode != 0:
        raise SystemExit(done.returncode)
    return done.stdout


def main() -> None:
    """Prepare, start everything, keep it alive, stop it cleanly."""
    try:
        settings = configure()
    except SettingsRefused as error:
        raise SystemExit(str(error)) from None
    os.umask(0o077)  # what is written there (database, mails with links) is nobody else's
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SystemExit(f"DATA_DIR cannot be used: {error}") from None
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    running = children(settings)
    try:
        _start(running, settings)
        while True:
            for child in running:
                child.keep_alive()
            time.sleep(0.2)
    finally:
        _stop(running)


def _end(_number: int, _frame: FrameType | None) -> None:
    """Leave from wherever we are; `main` stops what runs."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    raise SystemExit(0)


def _start(running: list[Child], settings: Settings) -> None:
    sign_ins = "" if is_in_use(settings.database) else _found(running, settings)
    for child in running:
        if child.process is None:
            child.start()
    web = next(child for child in running if child.name == "web")
    wait_for(f"http://{settings.host}:{settings.port}/healthz", web)
    _say(f"Spokes is at {settings.address} (Ctrl-C stops it)")
    if not settings.production:
        _say(f"The shop of the demo is at http://127.0.0.1:{settings.shop_port}")
        # where there is something, the command only prints the sign-ins
        _say(sign_ins or run("seed-demo", "--if-empty"))


def _found(running: list[Child], settings: Settings) -> str:
    """Make the database, and in development tell the demo, which pays through the local Stripe; the answer is its sign-ins."""
    run("init-db")
    for child in running:
        if child.name == "local Stripe":
            child.start()
            wait_for(f"{settings.stripe_base}/_sandbox/health", child)
    return "" if settings.production else run("seed-demo", "--if-empty")


def _stop(running: list[Child]) -> None:
    for child in reversed(running):
        child.signal(signal.SIGTERM)
    until = time.monotonic() + STOP_TIMEOUT_S
    for child in running:
        if child.process is not None:
            try:
                child.process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.signal(signal.SIGKILL)
                child.process.wait()


if __name__ == "__main__":
    main()
