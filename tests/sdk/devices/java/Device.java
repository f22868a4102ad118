import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.microsoft.azure.sdk.iot.device.ClientOptions;
import com.microsoft.azure.sdk.iot.device.DeviceClient;
import com.microsoft.azure.sdk.iot.device.IotHubClientProtocol;
import com.microsoft.azure.sdk.iot.device.IotHubMessageResult;
import com.microsoft.azure.sdk.iot.device.IotHubStatusCode;
import com.microsoft.azure.sdk.iot.device.Message;
import com.microsoft.azure.sdk.iot.device.exceptions.IotHubClientException;
import com.microsoft.azure.sdk.iot.device.transport.IotHubConnectionStatus;
import com.microsoft.azure.sdk.iot.device.twin.DirectMethodPayload;
import com.microsoft.azure.sdk.iot.device.twin.DirectMethodResponse;
import com.microsoft.azure.sdk.iot.device.twin.Twin;
import com.microsoft.azure.sdk.iot.device.twin.TwinCollection;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** A device on iot-device-client (Java) over MQTT, driven as node.js. */
public final class Device {
  private static final Gson GSON = new GsonBuilder().serializeNulls().create();
  private static final int RESPONSE_MILLIS = 3000;
  private static final int ATTEMPTS = 6;
  private final DeviceClient client;
  private final BlockingQueue<JsonElement> answers = new LinkedBlockingQueue<>();

  private Device(JsonObject settings) throws Exception {
    ClientOptions.ClientOptionsBuilder options = ClientOptions.builder().sslContext(trusting(settings.get("ca").getAsString()));
    if (settings.has("token")) options.sasTokenExpiryTime(settings.getAsJsonObject("token").get("seconds").getAsLong());
    client = new DeviceClient(settings.get("connection_string").getAsString(), IotHubClientProtocol.MQTT, options.build());
    client.setConnectionStatusChangeCallback(
        context -> {
          boolean connected = context.getNewStatus() == IotHubConnectionStatus.CONNECTED;
          emit(connected ? "connected" : "disconnected", Map.of("reason", String.valueOf(context.getNewStatusReason())));
        },
        null);
    client.setMessageCallback((message, context) -> IotHubMessageResult.COMPLETE, null);
  }

  private static SSLContext trusting(String pem) throws Exception {
    KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
    trusted.load(null, null);
    trusted.setCertificateEntry(
        "ca",
        CertificateFactory.getInstance("X.509")
            .generateCertificate(new ByteArrayInputStream(pem.getBytes(StandardCharsets.US_ASCII))));
    TrustManagerFactory managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    managers.init(trusted);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, managers.getTrustManagers(), null);
    return context;
  }

  private static synchronized void print(Map<String, ?> line) {
    System.out.println(GSON.toJson(line));
    System.out.flush();
  }

  private static void emit(String event, Map<String, ?> more) {
    Map<String, Object> line = new HashMap<>(more);
    line.put("event", event);
    print(line);
  }

  private DirectMethodResponse onMethod(String name, DirectMethodPayload payload, Object context) {
    JsonElement value = payload.getPayloadAsJsonElement();
    emit("method", Map.of("name", name, "payload", value));
    try {
      switch (name) {
        case "hold":
          return new DirectMethodResponse(200, answers.poll(60, TimeUnit.SECONDS));
        case "size":
          return new DirectMethodResponse(200, Map.of("bytes", value.getAsString().length()));
        case "big":
          return new DirectMethodResponse(200, "y".repeat(value.getAsInt()));
        default:
          JsonArray echo = new JsonArray();
          echo.add(value);
          return new DirectMethodResponse(200, echo);
      }
    } catch (InterruptedException e) {
      return new DirectMethodResponse(500, null);
    }
  }

  private JsonElement obey(JsonObject command) throws Exception {
    switch (command.get("do").getAsString()) {
      case "open":
        client.open(true);
        client.subscribeToMethods(this::onMethod, null);
        client.subscribeToDesiredProperties((twin, context) -> emit("patch", Map.of("patch", withVersion(twin.getDesiredProperties()))), null);
        return null;
      case "connect":
        client.close();
        client.open(true);
        return null;
      case "twin":
        Twin twin = heard(() -> client.getTwin(RESPONSE_MILLIS));
        JsonObject both = new JsonObject();
        both.add("desired", withVersion(twin.getDesiredProperties()));
        both.add("reported", withVersion(twin.getReportedProperties()));
        return both;
      case "report":
        TwinCollection patch = new TwinCollection();
        command.getAsJsonObject("patch").entrySet().forEach(each -> patch.put(each.getKey(), GSON.fromJson(each.getValue(), Object.class)));
        heard(() -> client.updateReportedProperties(patch, RESPONSE_MILLIS));
        return null;
      case "send":
        client.sendEvent(new Message(command.get("payload").getAsString()));
        return null;
      case "answer":
        answers.add(command.get("payload"));
        return null;
      case "close":
        client.close();
        return null;
      default:
        throw new IllegalArgumentException("unknown command " + command);
    }
  }

  /**
   * Does it, again when no response is heard. 2.5.0 loses some that have come: its receiver thread may forget whose a
   * response is (acknowledgeReceivedMessage) before the thread that brought it has looked (onMessageReceived).
   */
  private static <T> T heard(Callable<T> operation) throws Exception {
    for (int attempt = 1; ; ++attempt) {
      try {
        return operation.call();
      } catch (IotHubClientException error) {
        if (error.getStatusCode() != IotHubStatusCode.DEVICE_OPERATION_TIMED_OUT || attempt == ATTEMPTS) throw error;
      }
    }
  }

  private static JsonElement withVersion(TwinCollection properties) {
    JsonObject all = properties.toJsonElement().getAsJsonObject();
    if (properties.getVersion() != null) all.addProperty("$version", properties.getVersion());
    return all;
  }

  private void answer(JsonObject command) {
    Map<String, Object> line = new HashMap<>();
    line.put("id", command.get("id"));
    try {
      line.put("ok", obey(command));
    } catch (Exception error) {
      line.put("error", error.toString());
    }
    print(line);
  }

  public static void main(String[] arguments) throws Exception {
    BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    Device device = new Device(JsonParser.parseString(input.readLine()).getAsJsonObject());
    for (String line = input.readLine(); line != null; line = input.readLine()) {
      JsonObject command = JsonParser.parseString(line).getAsJsonObject();
      Thread thread = new Thread(() -> device.answer(command));
      thread.setDaemon(true);
      thread.start();
    }
    Runtime.getRuntime().halt(0);
  }
}
