#include "tools/fleetcast/dev/dev_env.h"

#include <functional>
#include <iterator>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "tools/fleetcast/files.h"

namespace fleetcast::dev {
namespace {

// One variable: how it is printed and read.
struct Variable {
  const char* name;
  std::function<std::string(const DevEnv&)> get;
  std::function<bool(const std::string&, DevEnv&)> set;
};

Variable TextVariable(const char* name, std::string DevEnv::*member) {
  return {name, [=](const DevEnv& env) { return env.*member; },
          [=](const std::string& value, DevEnv& env) {
            env.*member = value;
            return true;
          }};
}

Variable PortVariable(const char* name, int DevEnv::*member) {
  return {name, [=](const DevEnv& env) { return absl::StrCat(env.*member); },
          [=](const std::string& value, DevEnv& env) { return absl::SimpleAtoi(value, &(env.*member)); }};
}

Variable PortsVariable(const char* name, std::vector<int> DevEnv::*member) {
  return {name, [=](const DevEnv& env) { return absl::StrJoin(env.*member, ","); },
          [=](const std::string& value, DevEnv& env) {
            (env.*member).clear();
            for (const absl::string_view word : absl::StrSplit(value, ',', absl::SkipEmpty())) {
              if (!absl::SimpleAtoi(word, &(env.*member).emplace_back())) return false;
            }
            return true;
          }};
}

std::string FormatPids(const DevEnv& env) { return absl::StrJoin(env.pids, " ", absl::PairFormatter("=")); }

bool ParsePids(const std::string& value, DevEnv& env) {
  env.pids.clear();
  for (const absl::string_view word : absl::StrSplit(value, ' ', absl::SkipEmpty())) {
    const std::pair<std::string, std::string> pair = absl::StrSplit(word, absl::MaxSplits('=', 1));
    pid_t pid = 0;
    if (!absl::SimpleAtoi(pair.second, &pid)) return false;
    env.pids.emplace_back(pair.first, pid);
  }
  return true;
}

const std::vector<Variable>& Variables() {
  static const auto* const variables = new std::vector<Variable>{
      TextVariable("FLEETCAST_HOST", &DevEnv::host),
      PortVariable("FLEETCAST_REST_PORT", &DevEnv::rest_port),
      PortVariable("FLEETCAST_MQTTS_PORT", &DevEnv::mqtts_port),
      PortVariable("FLEETCAST_MQTT_PORT", &DevEnv::mqtt_port),
      PortsVariable("FLEETCAST_MQTTS_PORTS", &DevEnv::mqtts_ports),
      PortsVariable("FLEETCAST_MQTT_PORTS", &DevEnv::mqtt_ports),
      TextVariable("FLEETCAST_GRPC_JOBS", &DevEnv::grpc_jobs),
      TextVariable("FLEETCAST_GRPC_TWINS", &DevEnv::grpc_twins),
      TextVariable("FLEETCAST_GRPC_METHODS", &DevEnv::grpc_methods),
      TextVariable("FLEETCAST_GRPC_SESSIONS", &DevEnv::grpc_sessions),
      TextVariable("FLEETCAST_CONNECTION_STRING", &DevEnv::connection_string),
      TextVariable("FLEETCAST_CA_FILE", &DevEnv::ca_file),
      TextVariable("FLEETCAST_POSTGRES", &DevEnv::postgres),
      TextVariable("FLEETCAST_REDIS", &DevEnv::redis),
      TextVariable("FLEETCAST_DATA_DIR", &DevEnv::data_dir),
      {"FLEETCAST_PIDS", FormatPids, ParsePids},
  };
  return *variables;
}

// `value` as one word of the shell.
std::string ShellQuote(const std::string& value) {
  constexpr std::string_view kPlain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./:@,%+-";
  if (value.find_first_not_of(kPlain) == std::string::npos) return value;
  return absl::StrCat("'", absl::StrReplaceAll(value, {{"'", "'\\''"}}), "'");
}

std::string ShellUnquote(std::string word) {
  if (word.size() < 2 || word.front() != '\'' || word.back() != '\'') return word;
  return absl::StrReplaceAll(word.substr(1, word.size() - 2), {{"'\\''", "'"}});
}

}  // namespace

std::string FormatDevEnv(const DevEnv& env) {
  std::string text;
  for (const Variable& variable : Variables()) {
    absl::StrAppend(&text, variable.name, "=", ShellQuote(variable.get(env)), "\n");
  }
  return text;
}

absl::StatusOr<DevEnv> ParseDevEnv(std::string_view text) {
  DevEnv env;
  for (const absl::string_view line : absl::StrSplit(Absl(text), '\n', absl::SkipWhitespace())) {
    const std::pair<std::string, std::string> assignment = absl::StrSplit(line, absl::MaxSplits('=', 1));
    const std::string value = ShellUnquote(assignment.second);
    for (const Variable& variable : Variables()) {
      if (assignment.first == variable.name && !variable.set(value, env)) {
        return absl::InvalidArgumentError(absl::StrCat("dev.env: bad value of ", variable.name));
      }
    }
  }
  return env;
}

std::string FormatBanner(const DevEnv& env, std::string_view env_file) {
  const std::string port443 = env.rest_port == 443 ? "" : "   (not 443: the Node and .NET service SDKs cannot connect)";
  const std::string port8883 = env.mqtts_port == 8883 ? "" : "   (not 8883: the device SDKs cannot connect)";
  return absl::StrCat("\n  Fleetcast runs.\n\n",                                                               //
                      "  HTTPS (Azure service SDKs)   https://", env.host, ":", env.rest_port, port443, "\n",  //
                      "  MQTT over TLS (devices)      ", env.host, ":", env.mqtts_port, port8883, "\n",        //
                      "  MQTT plain (development)     ", env.host, ":", env.mqtt_port, "\n",                   //
                      "  gRPC jobs                    ", env.grpc_jobs, "\n",                                  //
                      "  gRPC registry and twins      ", env.grpc_twins, "\n",                                 //
                      "  gRPC methods                 ", env.grpc_methods, "\n",                               //
                      "  connection string            ", env.connection_string, "\n",                          //
                      "  CA certificate               ", env.ca_file, "\n",                                    //
                      "  logs                         ", env.data_dir, "/logs\n",                              //
                      "  the same for programs        ", Absl(env_file), "\n\n");
}

absl::Status WriteDevEnv(const std::string& path, const DevEnv& env) {
  return files::Replace(path, FormatDevEnv(env), 0600);
}

absl::StatusOr<DevEnv> ReadDevEnv(const std::string& path) {
  FLEETCAST_ASSIGN_OR_RETURN(const std::string text, files::Read(path));
  return ParseDevEnv(text);
}

}  // namespace fleetcast::dev
