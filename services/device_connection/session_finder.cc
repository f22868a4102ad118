#include "services/device_connection/session_finder.h"

#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "libs/telemetry/log.h"

namespace fleetcast::device_connection {
namespace {

// Finds out whether the edges of entries that are not attached here still live.
void SettleElsewhere(std::vector<FoundSession>& found, SessionDirectory& directory) {
  absl::flat_hash_map<std::string, std::string> boots;
  for (const FoundSession& session : found) {
    if (session.kind == FoundSession::Kind::kElsewhere) boots[session.entry.edge.edge_id];
  }
  if (boots.empty()) return;
  std::vector<std::string> edge_ids;
  for (const auto& [edge_id, boot_id] : boots) edge_ids.push_back(edge_id);
  const auto leases = directory.Leases(edge_ids);
  for (size_t i = 0; leases.ok() && i < edge_ids.size(); ++i) boots[edge_ids[i]] = (*leases)[i];
  for (FoundSession& session : found) {
    if (session.kind != FoundSession::Kind::kElsewhere) continue;
    if (!leases.ok()) {
      session.kind = FoundSession::Kind::kUnknown;
    } else if (boots[session.entry.edge.edge_id] != session.entry.edge.boot_id) {
      session.kind = FoundSession::Kind::kAbsent;
    }
  }
}

}  // namespace

std::vector<FoundSession> FindSessions(const std::vector<std::string>& device_ids, SessionDirectory& directory,
                                       const SessionTable& sessions, const Edges& edges) {
  const auto entries = directory.Find(device_ids);
  if (!entries.ok()) {
    FLEETCAST_LOG_EVERY(kWarning, absl::Seconds(10), "directory not available, using the sessions opened here",
                        {{"error", entries.status()}});
  }
  std::vector<FoundSession> found(device_ids.size());
  for (size_t i = 0; i < device_ids.size(); ++i) {
    FoundSession& session = found[i];
    std::optional<SessionEntry> entry = entries.ok() ? (*entries)[i] : std::nullopt;
    if (!entry.has_value()) {
      // Either Redis has forgotten the device, or it never connected.
      const std::optional<Session> local = sessions.Find(device_ids[i]);
      if (local.has_value()) entry = local->ToEntry();
    }
    if (!entry.has_value()) {
      const bool knows = entries.ok() && !directory.is_settling();
      session.kind = knows ? FoundSession::Kind::kAbsent : FoundSession::Kind::kUnknown;
    } else if (!entry->is_connected() || edges.IsOver(entry->edge)) {
      session.kind = FoundSession::Kind::kAbsent;
    } else {
      session.edge = edges.Find(entry->edge);
      session.kind = session.edge != nullptr ? FoundSession::Kind::kHere : FoundSession::Kind::kElsewhere;
      session.entry = *std::move(entry);
    }
  }
  SettleElsewhere(found, directory);
  return found;
}

}  // namespace fleetcast::device_connection
