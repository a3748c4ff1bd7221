"""A real engine from the Python package index, on loopback."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import venv

# Both are what was tried; Sail brings no client and Spark its whole server.
PACKAGES = {"sail": ["pysail==0.7.2", "pyarrow"], "spark": ["pyspark[connect]==4.3.0", "pyarrow"]}
WAIT = {"sail": 30, "spark": 240}


def enter(engine, folder):
    """Runs this script again with the Python of the engine's environment."""
    folder = pathlib.Path(folder)
    python = folder / "bin" / "python"
    if pathlib.Path(sys.prefix).resolve() == folder.resolve():
        return
    if engine == "spark" and not shutil.which("java"):
        sys.exit("error: Spark needs Java\nhint: apt-get install openjdk-17-jre-headless")
    done = folder / "done"
    if not done.exists():
        try:
            venv.create(folder, with_pip=True, clear=True)
        except subprocess.CalledProcessError:
            sys.exit("error: no virtual environment\nhint: apt-get install python3-venv")
        command = [str(python), "-m", "pip", "install", "-q", *PACKAGES[engine]]
        if subprocess.run(command).returncode != 0:
            sys.exit("error: the engine could not be installed")
        done.touch()
    os.execv(python, [str(python), *sys.argv])


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Engine:
    """An engine that ends with the block; `url` is where it is."""

    def __init__(self, kind):
        self.kind = kind
        self.port = free_port()
        self.url = f"sc://127.0.0.1:{self.port}"
        self.folder = tempfile.TemporaryDirectory(prefix="intransit-engine-")
        self.log = pathlib.Path(self.folder.name) / "log"

    def command(self):
        bin = pathlib.Path(sys.prefix) / "bin"
        if self.kind == "sail":
            return [str(bin / "sail"), "spark", "server", "--ip", "127.0.0.1", "--port", str(self.port)]
        home = next(pathlib.Path(sys.prefix).glob("lib/python*/site-packages/pyspark"))
        settings = {
            "spark.connect.grpc.binding.address": "127.0.0.1",
            "spark.connect.grpc.binding.port": str(self.port),
            "spark.ui.enabled": "false",
            "spark.sql.shuffle.partitions": "4",
            "spark.sql.session.timeZone": "Asia/Tokyo",
        }
        words = [f for key, value in settings.items() for f in ("--conf", f"{key}={value}")]
        return [str(home / "bin" / "spark-submit"), "--master", "local[2]", "--driver-memory", "3g",
                *words, "--class", "org.apache.spark.sql.connect.service.SparkConnectServer",
                "spark-internal"]

    def __enter__(self):
        environment = dict(os.environ, SPARK_LOCAL_IP="127.0.0.1")
        begun = time.monotonic()
        # So that whoever ends us ends the engine, too.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, env=environment,
                                            cwd=self.folder.name, start_new_session=True)
        while time.monotonic() - begun < WAIT[self.kind]:
            if self.process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                print(f"{self.kind} is up after {time.monotonic() - begun:.1f} s", flush=True)
                return self
            except OSError:
                time.sleep(0.2)
        sys.stderr.write(self.log.read_text(errors="replace")[-3000:])
        self.__exit__()
        sys.exit(f"error: {self.kind} did not start")

    def __exit__(self, *_):
        if self.process.poll() is None:
            # It is the leader of a session of its own, with what it started.
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
        self.folder.cleanup()
