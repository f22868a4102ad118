// The edges that are attached to this process, or were a moment ago.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "fleetcast/internal/v1/edge_link.pb.h"
#include "libs/base/mutex.h"
#include "services/device_connection/delivery_table.h"
#include "services/device_connection/session_entry.h"

namespace fleetcast::device_connection {

// The way to an edge: its stream. Thread-safe.
class EdgeOutlet {
 public:
  virtual ~EdgeOutlet() = default;
  // False when the stream is over or its outbox is full; never waits.
  virtual bool TrySend(internal::v1::AttachResponse message) = 0;
  // Ends the stream; the edge attaches again and announces its sessions.
  virtual void Abort() = 0;
};

// One stream of one edge. Immutable, shared by those who answer it.
struct Edge {
  EdgeNumber number = 0;  // The same for all streams of one life of the edge.
  std::shared_ptr<const EdgeName> name;
  std::shared_ptr<EdgeOutlet> outlet;
  int64_t call_credit = 0;  // Calls that may be on their way to it, not reported yet.

  // Sends, or ends the stream: an edge that does not keep up has lost the order of its notifications anyway.
  bool Send(internal::v1::AttachResponse message) const;
};

// Thread-safe. Times are monotonic. Bounded by the number of edges; lives that ended are forgotten when taken.
class Edges {
 public:
  struct Attached {
    std::shared_ptr<const Edge> edge;
    std::shared_ptr<const Edge> replaced;  // The stream that this one takes the place of; end it. May be null.
  };
  // A life of an edge that is over.
  struct Ended {
    EdgeNumber number = 0;
    EdgeName name;
    bool is_certain = false;  // Its process has restarted; else it has only been silent for too long.
  };

  Attached Attach(const EdgeName& name, std::shared_ptr<EdgeOutlet> outlet, int64_t call_credit, absl::Duration now);
  void Detach(const Edge& edge, absl::Duration now);
  void OnHeartbeat(const Edge& edge, absl::Duration now);

  // The attached edge of this name and life, or null.
  std::shared_ptr<const Edge> Find(const EdgeName& name) const;
  // The edge of this id that is attached, whichever its life; with what it said of itself last.
  struct Described {
    std::shared_ptr<const Edge> edge;
    internal::v1::EdgeStatus status;
  };
  std::optional<Described> Describe(const std::string& edge_id) const;
  // All that are attached, by id.
  std::vector<Described> DescribeAll() const;
  // What `edge` says of itself.
  void OnStatus(const Edge& edge, const internal::v1::EdgeStatus& status);

  // True when the edge is attached with another boot id: that life is over.
  bool IsOver(const EdgeName& name) const;

  // Lives that are attached and were heard within `silence`.
  std::vector<EdgeName> Alive(absl::Duration now, absl::Duration silence) const;
  // Lives that ended, or that have been detached for `silence`; each is returned once and forgotten.
  std::vector<Ended> TakeEnded(absl::Duration now, absl::Duration silence);

  // The streams of all edges that are attached.
  std::vector<std::shared_ptr<const Edge>> AttachedEdges() const;
  // Ends all streams.
  void AbortAll();

  size_t attached_count() const;

 private:
  struct Life {
    EdgeNumber number = 0;
    std::shared_ptr<const EdgeName> name;
    std::shared_ptr<const Edge> stream;  // Null while detached.
    absl::Duration heard;                // Last heartbeat, or when it was detached.
    internal::v1::EdgeStatus status;     // The last one of this life.
  };

  mutable Mutex mutex_;
  std::map<std::string, Life> lives_ GUARDED_BY(mutex_);  // By edge id.
  std::vector<Ended> ended_ GUARDED_BY(mutex_);
  EdgeNumber last_number_ GUARDED_BY(mutex_) = 0;
};

// Messages gathered for several edges, sent together.
class EdgeMessages {
 public:
  internal::v1::AttachResponse& To(const std::shared_ptr<const Edge>& edge);
  // Sends what was gathered; edges that do not take it are cut off.
  void Send();

 private:
  absl::flat_hash_map<std::shared_ptr<const Edge>, internal::v1::AttachResponse> messages_;
};

}  // namespace fleetcast::device_connection
