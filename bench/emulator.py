"""The Cloud Datastore emulator: found, started, emptied, stopped."""

import atexit
import http.client
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

from measure import Failed, cpu_of

JAR = "platform/cloud-datastore-emulator/CloudDatastore.jar"
MAIN_CLASS = "com.google.cloud.datastore.emulator.CloudDatastore"
START_SECONDS = 90


class Emulator:
    """A running emulator. It keeps everything in memory, so its heap grows with the rows."""

    def __init__(self, rows, log):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        # About 30 kB a row, of which garbage is a part.
        heap = max(1024, rows * 30 // 1000)
        command = [java(), f"-Xmx{heap}m", "-cp", jar(), MAIN_CLASS, "start", "--host=127.0.0.1", f"--port={self.port}", "--testing"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=open(log, "w"), stderr=subprocess.STDOUT)
        atexit.register(self.stop)
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"the emulator did not start; see {log}")
            time.sleep(0.2)

    def answers(self):
        try:
            return self.ask("GET", "/") == 200
        except OSError:
            return False

    def reset(self):
        """Removes all entities."""
        if self.ask("POST", "/reset") != 200:
            raise Failed("the emulator can't be emptied")

    def ask(self, method, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, headers={"Content-Length": "0"})
        status = connection.getresponse().status
        connection.close()
        return status

    def cpu(self):
        return cpu_of(self.process.pid)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()


def jar():
    folders = [os.environ.get("CLOUDSDK_ROOT"), Path.home() / "google-cloud-sdk", "/opt/google-cloud-sdk"]
    folders += ["/usr/lib/google-cloud-sdk", "/usr/share/google-cloud-sdk", "/usr/local/share/google-cloud-sdk"]
    gcloud = shutil.which("gcloud")
    if gcloud:
        folders.append(Path(gcloud).resolve().parent.parent)
    for folder in filter(None, folders):
        if (Path(folder) / JAR).is_file():
            return Path(folder) / JAR
    raise Failed("there is no Cloud Datastore emulator; run `gcloud components install cloud-datastore-emulator`, or set CLOUDSDK_ROOT")


def java():
    home = os.environ.get("JAVA_HOME")
    found = shutil.which(str(Path(home) / "bin/java")) if home else shutil.which("java")
    if not found:
        raise Failed("there is no `java` on PATH or in JAVA_HOME")
    return found
