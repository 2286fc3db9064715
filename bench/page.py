"""Gaebar's page of a backup, followed link by link: how long the slowest answer takes, and how much the heaviest weighs."""

import http.client
import json
import statistics
import subprocess
import time
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

from measure import Failed, Sample, cpu_of

# Pages that are asked for, each so many times.
MOST_PAGES = 200
TIMES = 5


def crawl(gaebar, backup, rows, env):
    """Serves the folder of a backup, and asks for its pages."""
    command = [gaebar, "--format", "json", "serve", "--backups", backup.parent, "--listen", "127.0.0.1:0"]
    with subprocess.Popen([str(part) for part in command], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        try:
            home = json.loads(server.stdout.readline())["url"]
            begun = time.monotonic()
            pages = follow(home, urljoin(home, f"backups/{backup.name}"))
            seconds, cpu = time.monotonic() - begun, cpu_of(server.pid)
            memory = int(next(line for line in open(f"/proc/{server.pid}/status") if line.startswith("VmHWM")).split()[1])
        finally:
            server.terminate()
    slowest, heaviest = max(pages, key=lambda page: page[1]), max(pages, key=lambda page: page[2])
    more = {
        "pages": len(pages),
        "slowest_ms": slowest[1] * 1000,
        "slowest": slowest[0],
        "heaviest_kb": heaviest[2] / 1000,
        "heaviest": heaviest[0],
    }
    return Sample(rows, seconds, cpu, memory * 1024 / 1e6, 0, more)


def follow(home, first):
    """The list of backups, then all that a backup's page leads to: of each its path, median seconds, and bytes."""
    address = urlsplit(home)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
    pages, known, queue = [], {home, first}, [home, first]
    for url in queue:
        taken = []
        path = urlsplit(url)._replace(scheme="", netloc="").geturl()
        for _ in range(TIMES):
            begun = time.monotonic()
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
            taken.append(time.monotonic() - begun)
            if answer.status != 200:
                raise Failed(f"{path} answers {answer.status}")
        pages.append((path, statistics.median(taken), len(body)))
        for link in links(body.decode()):
            link = urljoin(url, link).split("#")[0]
            if link.startswith(first) and link not in known and len(known) < MOST_PAGES:
                known.add(link)
                queue.append(link)
    return pages


def links(html):
    found = []

    class Links(HTMLParser):
        def handle_starttag(self, tag, attributes):
            if tag == "a":
                found.extend(value for name, value in attributes if name == "href" and value)

    Links().feed(html)
    return found
