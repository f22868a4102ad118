// Commands that travel to Redis together and are answered together.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fleetcast::redis {

// A Lua script, run by EVALSHA. Give it static storage: pipelines and clients remember its address.
class Script {
 public:
  explicit Script(std::string source) : source_(std::move(source)) {}
  Script(const Script&) = delete;
  Script& operator=(const Script&) = delete;

  const std::string& source() const { return source_; }

 private:
  const std::string source_;
};

// One round trip of commands, answered in order. Not a transaction: other clients' commands may run in between; a
// script is atomic. Not thread-safe.
class Pipeline {
 public:
  // Client::Run refuses longer ones: they would keep Redis and the connection from everybody else for too long.
  static constexpr size_t kCommandsMax = 10'000;

  // Appends a command: its name and its arguments, which may hold any bytes.
  void Add(std::vector<std::string> arguments) { commands_.push_back({std::move(arguments), nullptr}); }

  // Appends a run of `script` on `keys` with `arguments`.
  void AddScript(const Script& script, const std::vector<std::string>& keys, const std::vector<std::string>& arguments);

  size_t size() const { return commands_.size(); }
  bool empty() const { return commands_.empty(); }

  struct Command {
    // For a script: EVALSHA, its digest (filled in by the client), the number of keys, the keys, the arguments.
    std::vector<std::string> arguments;
    const Script* script;  // nullptr for a plain command.
  };
  const std::vector<Command>& commands() const { return commands_; }

 private:
  friend class Client;
  friend class Connection;

  std::vector<Command> commands_;
};

}  // namespace fleetcast::redis
