"""A device on paho-mqtt 1.6 or 2, which knows nothing of IoT Hub; driven as node.js."""

import json
import queue
import ssl
import urllib.parse
import uuid

import paho.mqtt.client as mqtt

from protocol import answer_to, emit, serve

FILTERS = ["$iothub/methods/POST/#", "$iothub/twin/res/#", "$iothub/twin/PATCH/properties/desired/#"]


def new_client(device_id, clean):
    if hasattr(mqtt, "CallbackAPIVersion"):
        return mqtt.Client(mqtt.CallbackAPIVersion.VERSION1, client_id=device_id, clean_session=clean)
    return mqtt.Client(client_id=device_id, clean_session=clean)


class Device:
    def __init__(self, settings):
        self.settings = settings
        self.requests = {}
        self.held = queue.Queue()
        self.subacks = queue.Queue()
        self.connacks = queue.Queue()
        client = self.client = new_client(settings["device_id"], settings.get("clean", False))
        context = ssl.create_default_context(cadata=settings["ca"])
        client.tls_set_context(context)
        client.username_pw_set(f'{settings["hub"]}/{settings["device_id"]}/?api-version=2021-04-12', settings["password"])
        client.reconnect_delay_set(1, 2)
        client.on_connect = self.on_connect
        client.on_disconnect = lambda client, userdata, code: emit("disconnected", code=int(code))
        client.on_subscribe = lambda client, userdata, packet_id, granted: self.subacks.put([int(each) for each in granted])
        client.on_message = self.on_message

    def on_connect(self, client, userdata, flags, code):
        emit("connected" if code == 0 else "failed", code=int(code), session=bool(flags["session present"]))
        self.connacks.put(int(code))

    def on_message(self, client, userdata, message):
        parts = message.topic.split("/")
        text = message.payload.decode()
        if parts[1] == "methods":
            self.on_method(urllib.parse.unquote(parts[3]), message.topic.split("$rid=")[1], json.loads(text))
        elif parts[2] == "res":
            rid = message.topic.split("$rid=")[1].split("&")[0]
            self.requests.pop(rid).put((int(parts[3]), text))
        else:
            emit("patch", patch=json.loads(text))

    def on_method(self, name, rid, payload):
        emit("method", name=name, payload=payload, rid=rid)
        if name == "hold":
            self.held.put(rid)
        else:
            self.respond(rid, answer_to(name, payload))

    def respond(self, rid, payload):
        self.client.publish(f"$iothub/methods/res/200/?$rid={rid}", json.dumps(payload), qos=1)

    def request(self, topic, payload):
        rid = str(uuid.uuid4())
        answers = self.requests[rid] = queue.Queue()
        self.client.publish(f"{topic}?$rid={rid}", payload)
        status, text = answers.get(timeout=30)
        if status >= 300:
            raise RuntimeError(f"{status} {text}")
        return json.loads(text) if text else None

    def open(self, _):
        self.client.connect(self.settings["host"], 8883, keepalive=60)
        self.client.loop_start()
        code = self.connacks.get(timeout=30)
        if code:
            raise RuntimeError(f"CONNACK {code}")
        self.client.subscribe([(each, 0) for each in FILTERS])
        self.subacks.get(timeout=10)

    def twin(self, _):
        return self.request("$iothub/twin/GET/", "")

    def report(self, command):
        self.request("$iothub/twin/PATCH/properties/reported/", json.dumps(command["patch"]))

    def send(self, command):
        self.publish({"topic": f'devices/{self.settings["device_id"]}/messages/events/', "qos": 1, **command})

    def answer(self, command):
        self.respond(self.held.get(timeout=10), command["payload"])

    def publish(self, command):
        sent = self.client.publish(command["topic"], command["payload"], command["qos"], command.get("retain", False))
        sent.wait_for_publish(5)
        if not sent.is_published():
            raise RuntimeError("no acknowledgement")

    def subscribe(self, command):
        self.client.subscribe(command["filter"], command["qos"])
        return self.subacks.get(timeout=5)

    def close(self, _):
        self.client.disconnect()
        self.client.loop_stop()


serve(Device)
