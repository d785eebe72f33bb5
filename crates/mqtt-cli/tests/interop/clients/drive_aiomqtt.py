"""Drives aiomqtt clients: orders on stdin, reports on stdout, one JSON object a line."""

import asyncio
import json
import socket
import sys

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

clients = {}


def report(client_id, name, **content):
    print(json.dumps({"client": client_id, "report": name, **content}), flush=True)


class Driven:
    """One client."""

    def __init__(self, client_id, order):
        self.client_id = client_id
        self.is_ending = False
        keeps_session = order["session_expiry_s"] > 0
        protocol = aiomqtt.ProtocolVersion(order["version"])
        options = {"clean_session": not keeps_session}
        if protocol == aiomqtt.ProtocolVersion.V5:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = order["session_expiry_s"]
            options = {"clean_start": not keeps_session, "properties": properties}
        will = order["will"]
        if will:
            options["will"] = aiomqtt.Will(
                will["topic_name"], will["payload"], will["qos"], will["retain"]
            )
        self.client = aiomqtt.Client(
            order["host"],
            order["port"],
            identifier=client_id,
            protocol=protocol,
            **options,
        )

    async def connect(self):
        await self.client.__aenter__()
        # The library does not show Session Present.
        report(self.client_id, "connected", session_present=None)
        self.reading = asyncio.create_task(self.read())

    async def read(self):
        try:
            async for message in self.client.messages:
                report(
                    self.client_id,
                    "message",
                    topic_name=str(message.topic),
                    payload=message.payload.decode(),
                    qos=message.qos,
                    retain=message.retain,
                )
        except aiomqtt.MqttError as error:
            if not self.is_ending:
                report(self.client_id, "failed", reason=f"disconnected: {error}")

    async def obey(self, order):
        name = order["order"]
        if name == "subscribe":
            granted = await self.client.subscribe(order["topic_filter"], order["qos"])
            report(self.client_id, "subscribed", granted=getattr(granted[0], "value", granted[0]))
        elif name == "publish":
            await self.client.publish(
                order["topic_name"], order["payload"], order["qos"], order["retain"]
            )
            report(self.client_id, "done")
        elif name == "disconnect":
            self.is_ending = True
            self.reading.cancel()
            await self.client.__aexit__(None, None, None)
            report(self.client_id, "done")
        elif name == "cut":
            self.is_ending = True
            # There is no call for this: the socket is that of the client it is made of.
            self.client._client.socket().shutdown(socket.SHUT_RDWR)
            await self.reading
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
