// Where devices are connected, as far as this process can tell.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "services/device_connection/edges.h"
#include "services/device_connection/session_directory.h"
#include "services/device_connection/session_table.h"

namespace fleetcast::device_connection {

struct FoundSession {
  enum class Kind {
    kHere,       // Connected, and its edge is attached here: `entry` and `edge` are set.
    kElsewhere,  // Connected, but its edge is not attached here at the moment: `entry` is set.
    kAbsent,     // Not connected.
    kUnknown,    // The directory cannot be asked, and the session was not opened here.
  };
  Kind kind = Kind::kUnknown;
  SessionEntry entry;
  std::shared_ptr<const Edge> edge;
};

// Looks sessions up in the directory; entries of edges that are gone count as absent. What the directory does not
// know is looked up among the sessions opened here, so that a lost memory of Redis disconnects nobody. Results in the
// order of `device_ids`. Blocks for one or two round trips.
std::vector<FoundSession> FindSessions(const std::vector<std::string>& device_ids, SessionDirectory& directory,
                                       const SessionTable& sessions, const Edges& edges);

}  // namespace fleetcast::device_connection
