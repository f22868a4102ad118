"""A device on azure-iot-device (Python) over MQTT, driven as node.js."""

import queue

from azure.iot.device import IoTHubDeviceClient, MethodResponse

from protocol import answer_to, emit, serve


class Device:
    def __init__(self, settings):
        token = settings.get("token")
        extra = {"sastoken_ttl": token["seconds"]} if token else {}
        self.client = IoTHubDeviceClient.create_from_connection_string(
            settings["connection_string"], server_verification_cert=settings["ca"], **extra)
        self.held = queue.Queue()
        self.client.on_connection_state_change = self.on_connection_state_change
        self.client.on_background_exception = lambda error: emit("failed", reason=repr(error))

    def on_connection_state_change(self):
        emit("connected" if self.client.connected else "disconnected")

    def on_method(self, request):
        emit("method", name=request.name, payload=request.payload)
        if request.name == "hold":
            self.held.put(request)
            return
        response = MethodResponse.create_from_method_request(request, 200, answer_to(request.name, request.payload))
        self.client.send_method_response(response)
        if request.name == "twice":
            self.client.send_method_response(response)

    def open(self, _):
        self.client.connect()
        self.client.on_method_request_received = self.on_method
        self.client.on_twin_desired_properties_patch_received = lambda patch: emit("patch", patch=patch)
        self.client.on_message_received = lambda message: None

    def connect(self, _):
        self.client.connect()

    def twin(self, _):
        return self.client.get_twin()

    def report(self, command):
        self.client.patch_twin_reported_properties(command["patch"])

    def send(self, command):
        self.client.send_message(command["payload"])

    def answer(self, command):
        request = self.held.get(timeout=10)
        self.client.send_method_response(MethodResponse.create_from_method_request(request, 200, command["payload"]))

    def close(self, _):
        self.client.shutdown()


serve(Device)
