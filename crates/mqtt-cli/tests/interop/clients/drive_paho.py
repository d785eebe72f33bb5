"""Drives Eclipse Paho clients: orders on stdin, reports on stdout, one JSON object a line."""

import json
import socket
import sys
import threading

from paho.mqtt.client import CallbackAPIVersion, Client, MQTTv5
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

# What Paho calls them; all others are TCP.
TRANSPORTS = {"ws": "websockets", "wss": "websockets", "unix": "unix"}

clients = {}
output = threading.Lock()


def report(client_id, name, **content):
    """Callbacks run in a thread per client, so lines are written one at a time."""
    line = json.dumps({"client": client_id, "report": name, **content})
    with output:
        print(line, flush=True)


class Driven:
    """One client."""

    def __init__(self, client_id, order):
        self.client_id = client_id
        self.is_ending = False
        keeps_session = order["session_expiry_s"] > 0
        options = {} if order["version"] == MQTTv5 else {"clean_session": not keeps_session}
        self.client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=order["version"],
            transport=TRANSPORTS.get(order["url"].partition(":")[0], "tcp"),
            reconnect_on_failure=False,
            **options,
        )
        self.client.on_connect = self.on_connect
        self.client.on_disconnect = self.on_disconnect
        self.client.on_subscribe = self.on_subscribe
        self.client.on_publish = self.on_publish
        self.client.on_message = self.on_message
        will = order["will"]
        if will:
            self.client.will_set(will["topic_name"], will["payload"], will["qos"], will["retain"])
        options = {}
        if order["version"] == MQTTv5:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = order["session_expiry_s"]
            options = {"clean_start": not keeps_session, "properties": properties}
        if order["authority"]:
            certificate, key = order["identity"] or (None, None)
            self.client.tls_set(order["authority"], certificate, key)
        if self.client.transport == "websockets":
            self.client.ws_set_options(path="/mqtt")
        if self.client.transport == "unix":
            self.client.connect(order["socket"], **options)
        else:
            self.client.connect(order["host"], order["port"], **options)
        self.client.loop_start()

    def report(self, name, **content):
        report(self.client_id, name, **content)

    def on_connect(self, _client, _userdata, flags, reason, _properties):
        if reason.is_failure:
            self.report("failed", reason=f"connect: {reason}")
        else:
            self.report("connected", session_present=bool(flags.session_present))

    def on_disconnect(self, _client, _userdata, _flags, reason, _properties):
        if self.is_ending:
            self.report("done")
        else:
            self.report("failed", reason=f"disconnected: {reason}")

    def on_subscribe(self, _client, _userdata, _packet_id, reasons, _properties):
        if any(reason.is_failure for reason in reasons):
            self.report("failed", reason=f"subscribe: {reasons}")
        else:
            self.report("subscribed", granted=reasons[0].value)

    def on_publish(self, _client, _userdata, _packet_id, reason, _properties):
        if reason.is_failure:
            self.report("failed", reason=f"publish: {reason}")
        else:
            self.report("done")

    def on_message(self, _client, _userdata, message):
        self.report(
            "message",
            topic_name=message.topic,
            payload=message.payload.decode(),
            qos=message.qos,
            retain=message.retain,
        )

    def obey(self, order):
        name = order["order"]
        if name == "subscribe":
            self.client.subscribe(order["topic_filter"], order["qos"])
        elif name == "publish":
            self.client.publish(
                order["topic_name"], order["payload"], order["qos"], order["retain"]
            )
        elif name == "disconnect":
            self.is_ending = True
            self.client.disconnect()
        elif name == "cut":
            self.is_ending = True
            connection = self.client.socket()
            # Below a WebSocket there is another one.
            connection = getattr(connection, "_socket", connection)
            connection.shutdown(socket.SHUT_RDWR)
        else:
            raise ValueError(name)


for line in sys.stdin:
    order = json.loads(line)
    client_id = order["client"]
    try:
        if order["order"] == "connect":
            clients[client_id] = Driven(client_id, order)
        else:
            clients[client_id].obey(order)
    except Exception as error:
        report(client_id, "failed", reason=f"{order['order']}: {error!r}")
