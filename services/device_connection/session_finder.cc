#include "services/device_connection/session_finder.h"

#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "libs/telemetry/log.h"

namespace fleetcast::device_connection {
namespace {

// Where the edges of a batch stand. Most entries of a batch name the same few edges one after the other, so the last
// answer is kept: all of the batch sees the edges as they stood at one moment.
class EdgeLookup {
 public:
  explicit EdgeLookup(const Edges& edges) : edges_(edges) {}

  void Look(const EdgeName& name) {
    if (name == name_) return;
    name_ = name;
    is_over_ = edges_.IsOver(name);
    edge_ = is_over_ ? nullptr : edges_.Find(name);
  }
  bool is_over() const { return is_over_; }
  const std::shared_ptr<const Edge>& edge() const { return edge_; }

 private:
  const Edges& edges_;
  EdgeName name_;  // Empty at first, which no connected entry has.
  bool is_over_ = false;
  std::shared_ptr<const Edge> edge_;
};

// Finds out whether the edges of entries that are not attached here still live.
void SettleElsewhere(std::vector<FoundSession>& found, SessionDirectory& directory) {
  std::vector<EdgeName> edges;
  absl::flat_hash_map<std::string, bool> is_alive;  // By boot id.
  for (const FoundSession& session : found) {
    if (session.kind != FoundSession::Kind::kElsewhere) continue;
    if (is_alive.emplace(session.entry.edge.boot_id, false).second) edges.push_back(session.entry.edge);
  }
  if (edges.empty()) return;
  const auto leases = directory.HaveLeases(edges);
  for (size_t i = 0; leases.ok() && i < edges.size(); ++i) is_alive[edges[i].boot_id] = (*leases)[i];
  for (FoundSession& session : found) {
    if (session.kind != FoundSession::Kind::kElsewhere) continue;
    if (!leases.ok()) {
      session.kind = FoundSession::Kind::kUnknown;
    } else if (!is_alive[session.entry.edge.boot_id]) {
      session.kind = FoundSession::Kind::kAbsent;
    }
  }
}

}  // namespace

std::vector<FoundSession> FindSessions(const std::vector<std::string>& device_ids, SessionDirectory& directory,
                                       const SessionTable& sessions, const Edges& edges) {
  auto entries = directory.Find(device_ids);
  if (!entries.ok()) {
    FLEETCAST_LOG_EVERY(kWarning, absl::Seconds(10), "directory not available, using the sessions opened here",
                        {{"error", entries.status()}});
  }
  std::vector<FoundSession> found(device_ids.size());
  EdgeLookup lookup(edges);
  for (size_t i = 0; i < device_ids.size(); ++i) {
    FoundSession& session = found[i];
    std::optional<SessionEntry> entry = entries.ok() ? std::move((*entries)[i]) : std::nullopt;
    if (!entry.has_value()) {
      // Either Redis has forgotten the device, or it never connected.
      const std::optional<Session> local = sessions.Find(device_ids[i]);
      if (local.has_value()) entry = local->ToEntry();
    }
    if (!entry.has_value()) {
      const bool knows = entries.ok() && !directory.is_settling();
      session.kind = knows ? FoundSession::Kind::kAbsent : FoundSession::Kind::kUnknown;
      continue;
    }
    lookup.Look(entry->edge);
    if (!entry->is_connected() || lookup.is_over()) {
      session.kind = FoundSession::Kind::kAbsent;
    } else {
      session.edge = lookup.edge();
      session.kind = session.edge != nullptr ? FoundSession::Kind::kHere : FoundSession::Kind::kElsewhere;
      session.entry = *std::move(entry);
    }
  }
  SettleElsewhere(found, directory);
  return found;
}

}  // namespace fleetcast::device_connection
