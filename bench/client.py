"""What Google's own client for Python does with the same rows. Runs in the work folder's own Python, as a whole process.

    client.py read PROJECT            all entities of all kinds
    client.py dump PROJECT FILE       the same, into JSON lines
    client.py put PROJECT HOST        read them, empty the emulator, and put them back: only that is timed
"""

import base64
import datetime
import http.client
import json
import sys
import time

import grpc
from google.cloud import datastore
from google.cloud.datastore import _gapic
from google.cloud.datastore.helpers import GeoPoint, entity_to_protobuf

PUT_AT_ONCE = 500
# The emulator takes requests of 4 MiB.
PUT_BYTES = 3_500_000

# The emulator answers with 300 entities, whatever their size; gRPC's own limit of 4 MiB would end the reading of large ones.
_gapic.insecure_channel = lambda host: grpc.insecure_channel(host, options=[("grpc.max_receive_message_length", -1)])


def entities(client):
    namespaces = client.query(kind="__namespace__")
    namespaces.keys_only()
    for namespace in [entity.key.name or "" for entity in namespaces.fetch()]:
        kinds = client.query(kind="__kind__", namespace=namespace)
        kinds.keys_only()
        for kind in [entity.key.name for entity in kinds.fetch()]:
            if not kind.startswith("__"):
                yield from client.query(kind=kind, namespace=namespace).fetch()


def batched(all_of_them):
    """As many entities as a commit takes."""
    batches, room = [[]], PUT_BYTES
    for entity in all_of_them:
        size = entity_to_protobuf(entity)._pb.ByteSize()
        if len(batches[-1]) == PUT_AT_ONCE or size > room:
            batches.append([])
            room = PUT_BYTES
        batches[-1].append(entity)
        room -= size
    return batches


def plain(value):
    """A value that JSON has."""
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datastore.Key):
        return value.flat_path
    if isinstance(value, GeoPoint):
        return [value.latitude, value.longitude]
    raise TypeError(type(value))


def main():
    task, project, *more = sys.argv[1:]
    client = datastore.Client(project=project)
    begun = time.monotonic()
    rows = 0
    if task == "read":
        for _ in entities(client):
            rows += 1
    elif task == "dump":
        with open(more[0], "w") as file:
            for entity in entities(client):
                line = {"key": entity.key.flat_path, "namespace": entity.key.namespace, "properties": dict(entity)}
                file.write(json.dumps(line, default=plain) + "\n")
                rows += 1
    elif task == "put":
        batches = batched(entities(client))
        emulator = http.client.HTTPConnection(more[0])
        emulator.request("POST", "/reset", headers={"Content-Length": "0"})
        assert emulator.getresponse().status == 200
        begun = time.monotonic()
        for batch in batches:
            client.put_multi(batch)
            rows += len(batch)
    print(json.dumps({"rows": rows, "seconds": time.monotonic() - begun}))


main()
