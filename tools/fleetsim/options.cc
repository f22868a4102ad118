#include "tools/fleetsim/options.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "libs/json/json.h"

namespace fleetcast::fleetsim {
namespace {

constexpr int kDevicesMax = 1'000'000;
constexpr int64_t kMethodPayloadMax = 128 << 10;

bool IsObject(const std::string& text) {
  const auto value = json::Parse(text);
  return value.ok() && value->is_object();
}

bool AreNumbers(const std::vector<std::string>& words) {
  int number = 0;
  return std::all_of(words.begin(), words.end(), [&](const auto& word) { return absl::SimpleAtoi(word, &number); });
}

}  // namespace

void Options::Declare(config::Settings& settings) {
  settings.Text("host", &host, {}, "Host or address of the MQTT server");
  settings.Number("mqtts-port", &mqtts_port, {.min = 1, .max = 65535}, "Port for MQTT over TLS");
  settings.Number("mqtt-port", &mqtt_port, {.min = 1, .max = 65535}, "Port for plain MQTT");
  settings.List("mqtts-ports", &mqtts_ports, {}, "Ports for MQTT over TLS of several edges: each connection takes any");
  settings.List("mqtt-ports", &mqtt_ports, {}, "Ports for plain MQTT of several edges");
  settings.Flag("plain", &plain, "Connect without TLS");
  settings.Text("ca-file", &ca_file, {},
                "CA certificates (PEM) that the server's must come from; default: the system's");
  settings.Text("hub-name", &hub_name, {}, "Name of the hub in user names and tokens; default: the host");

  settings.Number("devices", &devices, {.min = 1, .max = kDevicesMax}, "How many devices");
  settings.Text("prefix", &prefix, {.bytes_max = 100}, "Device ids are this and a number");
  settings.Number("first", &first, {.min = 0, .max = 2'000'000'000}, "Number of the first device");
  settings.File("key-file", &key_file, {.bytes_max = 256 << 20},
                "Devices and their keys instead, a line each: id, blank, base64 key");
  settings.Text("group-key", &group_key, {.secret = true},
                "Base64; each device's key is HMAC-SHA256(group key, device id); default with --register: random");
  settings.Flag("register", &registers, "Register the devices first, or give them new keys if they exist");
  settings.Text("grpc-twins", &grpc_twins, {}, "host:port of the registry, for --register");
  settings.Text("tags", &tags, {.bytes_max = 8 << 10}, "JSON object: tags of the devices that --register creates");

  settings.Number("connect-rate", &connect_rate, {.max = 1'000'000}, "New connections a second; 0 = no limit");
  settings.Number("connecting-max", &connecting_max, {.min = 1, .max = 10'000},
                  "Connections that may be opening at once");
  settings.Number("rounds", &rounds, {.min = 1, .max = 1'000},
                  "How often all connect: each time all are connected they leave, but for the last time");
  settings.Flag("resume-tls", &resume_tls, "Resume the TLS session of the device's connection before");
  settings.Flag("clean-session", &clean_session, "Connect with a clean session; the SDKs do not");
  settings.Time("keep-alive", &keep_alive, {.min = absl::Seconds(1), .max = absl::Seconds(65535)}, "MQTT keep-alive");
  settings.Time("token-lifetime", &token_lifetime, {.min = absl::Seconds(10)},
                "Lifetime of the tokens; a device connects anew at three quarters of it");
  settings.Time("reconnect-limit", &reconnect_limit, {.min = absl::Milliseconds(500)},
                "Longest pause before a lost connection is made anew");
  settings.Time("reconnect-every", &reconnect_every, {},
                "About how often each device connects anew without a reason, half of the times while its connection "
                "before is still open; 0 = never");

  settings.Time("method-delay", &method_delay, {.max = absl::Hours(1)},
                "How long a device takes to answer a method call");
  settings.Time("method-delay-max", &method_delay_max, {.max = absl::Hours(1)},
                "When larger: each answer takes any time between the two");
  settings.Fraction("method-fail-share", &method_fail_share, 0, 1,
                    "Share of devices that answer methods with status 500");
  settings.Fraction("method-ignore-share", &method_ignore_share, 0, 1, "Share of devices that never answer methods");
  settings.Fraction("answer-twice-share", &answer_twice_share, 0, 1, "Share of devices that answer each call twice");
  settings.Fraction("lie-share", &lie_share, 0, 1,
                    "Share of devices that answer as well under the ids of other devices' calls");
  settings.Flag("stamp-answers", &stamp_answers, "Answer a payload that names device, connection and answer");
  settings.Text("method-payload", &method_payload, {.bytes_max = kMethodPayloadMax},
                "JSON that the others answer, with status 200");
  settings.Flag("apply-desired", &apply_desired, "Report desired properties as they come");
  settings.Flag("report-without-pause", &report_without_pause,
                "Report a property again and again, each time as soon as the hub has answered");

  settings.Time("duration", &duration, {}, "Stop after this time; 0 = on SIGTERM or SIGINT");
  settings.Text("log-calls", &log_calls, {}, "File that gets a JSON line for each method call that a device received");
  settings.Text("log-packets", &log_packets, {},
                "File that gets a JSON line for each packet and each change of a connection of every device");

  settings.Rule([this] {
    if (method_fail_share + method_ignore_share > 1)
      return "--method-fail-share and --method-ignore-share together exceed 1";
    if (method_fail_share + method_ignore_share + answer_twice_share + lie_share > 1) return "the shares exceed 1";
    if (!AreNumbers(mqtts_ports) || !AreNumbers(mqtt_ports)) return "--mqtts-ports and --mqtt-ports are numbers";
    if (!tags.empty() && !IsObject(tags)) return "--tags must be a JSON object";
    if (!json::Parse(method_payload).ok()) return "--method-payload must be JSON";
    if (!key_file.empty() && (registers || !group_key.empty())) return "--key-file excludes --register and --group-key";
    if (key_file.empty() && group_key.empty() && !registers) {
      return "no device keys: give --register, --group-key or --key-file";
    }
    if (registers && grpc_twins.empty()) return "--register needs --grpc-twins (scripts/dev: . .local/dev.env)";
    return "";
  });
}

std::vector<int> Options::Ports() const {
  std::vector<int> ports;
  for (const std::string& word : plain ? mqtt_ports : mqtts_ports) {
    if (int port = 0; absl::SimpleAtoi(word, &port)) ports.push_back(port);
  }
  if (ports.empty()) ports.push_back(plain ? mqtt_port : mqtts_port);
  return ports;
}

}  // namespace fleetcast::fleetsim
