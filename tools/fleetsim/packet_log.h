// What every device of the fleet received and sent, and how its connections came and went: the devices' part of the
// history that tests/chaos checks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tools/fleetsim/line_file.h"

namespace fleetcast::fleetsim {

// A JSON object a line: "t" (Unix seconds with microseconds), "d" (device), "c" (its connection, counted from 1), "e"
// (what happened) and what belongs to it. Readers see whole lines only. Not thread-safe.
class PacketLog {
 public:
  // An empty path: nothing is logged. An existing file is replaced.
  static absl::StatusOr<PacketLog> Open(const std::string& path);

  // Where and when something happened.
  struct Place {
    absl::Time now;
    std::string_view device;
    uint32_t connection;
  };

  // "connect" (CONNECT sent), "accepted", "refused", "subscribed" (SUBACK), "abandoned" (another connection is made
  // while this one stays open), "dropped" (the device goes without a word), "closed" (always last).
  void Connection(const Place& place, std::string_view event);
  // "call": a method request arrived; "answer": an answer to `request_id` was sent. Payloads as text.
  void Call(const Place& place, std::string_view method, std::string_view request_id, std::string_view payload);
  void Answer(const Place& place, std::string_view request_id, int status, std::string_view payload);
  // "desired": a change of desired properties arrived; "twin": the whole twin did.
  void Desired(const Place& place, int64_t version, std::string_view patch);
  void Twin(const Place& place, std::string_view document);

  void Flush() { file_.Flush(); }

 private:
  explicit PacketLog(LineFile file) : file_(std::move(file)) {}
  // Begins a line; false when nothing is logged.
  bool Begin(const Place& place, std::string_view event);
  void Text(std::string_view name, std::string_view value);
  void Number(std::string_view name, int64_t value);
  void End();

  LineFile file_;
};

}  // namespace fleetcast::fleetsim
