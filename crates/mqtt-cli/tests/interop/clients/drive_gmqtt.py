"""Drives gmqtt clients: orders on stdin, reports on stdout, one JSON object a line."""

import asyncio
import json
import sys

import gmqtt
from gmqtt.mqtt.constants import MQTTv50, MQTTv311

clients = {}


def report(client_id, name, **content):
    print(json.dumps({"client": client_id, "report": name, **content}), flush=True)


class Driven:
    """One client."""

    def __init__(self, client_id, order):
        self.client_id = client_id
        self.is_ending = False
        self.order = order
        self.version = MQTTv50 if order["version"] == 5 else MQTTv311
        keeps_session = order["session_expiry_s"] > 0
        options = {}
        if self.version == MQTTv50:
            options["session_expiry_interval"] = order["session_expiry_s"]
        will = order["will"]
        if will:
            options["will_message"] = gmqtt.Message(
                will["topic_name"], will["payload"], qos=will["qos"], retain=will["retain"]
            )
        self.client = gmqtt.Client(client_id, clean_session=not keeps_session, **options)
        self.client.set_config({"reconnect_retries": 0})
        self.client.on_connect = self.on_connect
        self.client.on_message = self.on_message
        self.client.on_subscribe = self.on_subscribe
        self.client.on_disconnect = self.on_disconnect

    async def connect(self):
        await self.client.connect(self.order["host"], self.order["port"], version=self.version)

    def on_connect(self, _client, flags, reason, _properties):
        if reason:
            report(self.client_id, "failed", reason=f"connect: {reason}")
        else:
            report(self.client_id, "connected", session_present=bool(flags & 1))

    def on_disconnect(self, _client, _packet, error=None):
        if not self.is_ending:
            report(self.client_id, "failed", reason=f"disconnected: {error}")

    def on_subscribe(self, _client, _packet_id, granted, _properties):
        if granted[0] >= 0x80:
            report(self.client_id, "failed", reason=f"subscribe: {granted}")
        else:
            report(self.client_id, "subscribed", granted=granted[0])

    def on_message(self, _client, topic_name, payload, qos, properties):
        report(
            self.client_id,
            "message",
            topic_name=topic_name,
            payload=payload.decode(),
            qos=qos,
            retain=bool(properties["retain"]),
        )

    async def obey(self, order):
        name = order["order"]
        if name == "subscribe":
            self.client.subscribe(order["topic_filter"], order["qos"])
        elif name == "publish":
            self.client.publish(
                order["topic_name"], order["payload"], qos=order["qos"], retain=order["retain"]
            )
            # The store holds what the broker has not acknowledged.
            await self.client._persistent_storage.wait_empty()
            report(self.client_id, "done")
        elif name == "disconnect":
            self.is_ending = True
            await self.client.disconnect()
            report(self.client_id, "done")
        elif name == "cut":
            self.is_ending = True
            # There is no call for this.
            self.client._connection._transport.abort()
            report(self.client_id, "done")
        else:
            raise ValueError(name)


async def main():
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        order = json.loads(line)
        client_id = order["client"]
        try:
            if order["order"] == "connect":
                clients[client_id] = Driven(client_id, order)
                await clients[client_id].connect()
            else:
                await clients[client_id].obey(order)
        except Exception as error:
            report(client_id, "failed", reason=f"{order['order']}: {error!r}")


asyncio.run(main())
