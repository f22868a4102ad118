// Lets devices connect: identifies them, gives their session an epoch, tells the edge, takes over older connections.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "fleetcast/internal/v1/edge_link.pb.h"
#include "libs/base/clock.h"
#include "services/device_connection/admission.h"
#include "services/device_connection/batch_worker.h"
#include "services/device_connection/deliveries.h"
#include "services/device_connection/directory_keeper.h"
#include "services/device_connection/edges.h"
#include "services/device_connection/hub_metrics.h"
#include "services/device_connection/identity_limits.h"
#include "services/device_connection/presence_reporter.h"
#include "services/device_connection/record_cache.h"
#include "services/device_connection/record_checks.h"
#include "services/device_connection/refused_credentials.h"
#include "services/device_connection/session_directory.h"
#include "services/device_connection/session_table.h"
#include "services/device_connection/twin_client.h"
#include "services/device_connection/waiting_room.h"

namespace fleetcast::device_connection {

// Works in batches on threads of its own. Every attempt gets exactly one result; what cannot be decided because
// something is down is UNAVAILABLE, never a refusal (D-CA-1). Thread-safe.
class SessionOpener {
 public:
  struct Parts {
    SessionDirectory& directory;
    DirectoryKeeper& keeper;
    SessionTable& sessions;
    const Edges& edges;
    TwinClient& twin;
    const RecordCache& records;
    PresenceReporter& presence;
    Deliveries& deliveries;
    RecordChecks& checks;
    AdmissionRules rules;
    IdentityLimits::Options limits;
    Clock& clock;
    const HubMetrics& metrics;
  };

  static constexpr int kThreads = 2;
  static constexpr size_t kQueueMax = 20'000;
  static constexpr size_t kBatchMax = 256;
  static constexpr size_t kWaitingMax = 10'000;  // Attempts that wait for the limit of their identity; more do not.
  static constexpr absl::Duration kLook = absl::Milliseconds(200);  // How often it is looked who has waited enough.

  explicit SessionOpener(const Parts& parts);

  // One attempt of a device at `edge`.
  void Submit(std::shared_ptr<const Edge> edge, internal::v1::OpenSession open);

 private:
  struct Attempt {
    std::shared_ptr<const Edge> edge;
    internal::v1::OpenSession open;
    Admission admission;
    std::shared_ptr<const internal::v1::DeviceRecord> record;
    bool is_fresh = false;  // `record` was read for this batch.
    OpenedSession opened;   // If accepted.
    int64_t round = 0;      // DirectoryKeeper::rounds before it was entered.
    bool session_present = false;
    bool is_read = false;                // What is stored is what the registry says, not the directory.
    uint32_t stored_expiry_seconds = 0;  // Of the session that is present.
    bool is_over = false;                // A session is stored, but its time is over.
  };
  using Attempts = std::vector<Attempt>;

  void Enqueue(Attempt attempt);
  void EnqueueThoseWhoWaited(std::stop_token stop);
  void Handle(Attempts batch);
  void Identify(Attempts& attempts);
  bool IsRefusedAgain(Attempt& attempt);
  bool Judge(Attempts& attempts, const std::vector<size_t>& indexes, TwinClient::Freshness freshness);
  void AnswerRenewals(Attempts& attempts);
  void Enter(Attempts& attempts);
  void RestoreSubscriptions(Attempts& attempts);
  void UpdateStored(Attempts& attempts);
  void Finish(Attempts& attempts, RecordCache::Ticket ticket);
  void EnterLate(const Attempts& attempts);
  static Session ToSession(const Attempt& attempt);
  void Accept(const Attempt& attempt, RecordCache::Ticket ticket, EdgeMessages& messages);
  void Refuse(const Attempt& attempt, RecordCache::Ticket ticket, EdgeMessages& messages);
  absl::Duration HoldRefusal(const Attempt& attempt, RecordCache::Ticket ticket);
  void TakeOver(const Attempt& attempt, EdgeMessages& messages);

  const Parts parts_;
  IdentityLimits limits_;
  RefusedCredentials refused_;
  WaitingRoom<Attempt> waiting_;
  BatchWorker<Attempt> worker_;  // Its threads use all above.
  std::jthread waiter_;          // Last: it uses the worker, too.
};

}  // namespace fleetcast::device_connection
