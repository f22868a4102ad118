// A session as the directory keeps it in Redis: one short text per device.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fleetcast::device_connection {

// Which process holds a connection. An edge that restarts keeps its id and gets a new boot id.
struct EdgeName {
  std::string edge_id;
  std::string boot_id;

  friend bool operator==(const EdgeName&, const EdgeName&) = default;
};

// What the directory knows about subscriptions that outlive the connection.
enum class Stored : char {
  kYes = 'y',      // A session is stored (CleanSession=0); `subscriptions` are its.
  kNo = 'n',       // None is stored (CleanSession=1); `subscriptions` end with the connection.
  kUnknown = 'u',  // Only the twin service can tell.
};

// Where a device's connection is, or was: without an edge it only keeps the epoch and the stored subscriptions.
struct SessionEntry {
  int64_t epoch = 0;
  Stored stored = Stored::kUnknown;
  uint32_t subscriptions = 0;  // Bits of SubscriptionBit, at most 16.
  EdgeName edge;               // Empty edge_id: not connected.
  uint64_t session = 0;        // The edge's number of the connection.
  int64_t connect_unix_micros = 0;

  bool is_connected() const { return !edge.edge_id.empty(); }
};

// The text form: 16 hex digits epoch, one letter Stored, 4 hex digits subscriptions, then, if connected,
// " edge boot session micros". The fixed part in front lets Lua scripts compare epochs as text.
std::string Encode(const SessionEntry& entry);
std::optional<SessionEntry> DecodeSessionEntry(std::string_view text);

// Parts of the text form, for the arguments of scripts.
std::string EncodeEpoch(int64_t epoch);
std::string EncodeStored(Stored stored, uint32_t subscriptions);
std::string EncodePlace(const SessionEntry& entry);  // The part after the fixed one; empty when not connected.

// Epochs rise for ever, also when Redis lost its memory: the generation (24 bits) is kept by twin, the counter (40
// bits) by Redis (reliability.md 7.4).
constexpr int64_t MakeEpoch(int64_t generation, int64_t counter) { return (generation << 40) + counter; }
constexpr int64_t GenerationOf(int64_t epoch) { return epoch >> 40; }

}  // namespace fleetcast::device_connection
