#include "services/device_connection/record_checks.h"

#include <optional>
#include <utility>

#include "libs/telemetry/log.h"
#include "services/device_connection/session_finder.h"

namespace fleetcast::device_connection {

namespace pb = ::fleetcast::internal::v1;

namespace {

constexpr size_t kPageMax = SessionDirectory::kBatchMax;

}  // namespace

const char* WhyRevoked(const pb::DeviceRecord* record, CredentialId credential, bool keeps_old_credentials) {
  if (record == nullptr) return "deleted";
  if (record->disabled()) return "disabled";
  if (!keeps_old_credentials && !Holds(*record, credential)) return "credential";
  return nullptr;
}

RecordChecks::RecordChecks(const Parts& parts) : parts_(parts), thread_([this](std::stop_token stop) { Run(stop); }) {}

bool RecordChecks::Submit(const std::string& device_id) {
  {
    MutexLock lock(mutex_);
    if (pending_.size() >= kPendingMax && !pending_.contains(device_id)) return false;
    pending_.insert(device_id);
  }
  changed_.notify_one();
  return true;
}

bool RecordChecks::Revoke(const pb::DeviceRecord* record, const Session& session,
                          const std::shared_ptr<const Edge>& edge, EdgeMessages& messages) const {
  const char* const why = WhyRevoked(record, session.credential, parts_.keeps_old_credentials);
  if (why == nullptr) return false;
  parts_.metrics.revoked.With({why}).Add();
  pb::DisconnectSession* disconnect = messages.To(edge).add_disconnects();
  disconnect->set_session(session.session);
  disconnect->set_epoch(session.epoch);
  disconnect->set_reason(pb::DisconnectSession::REASON_ADMINISTRATIVE);
  return true;
}

void RecordChecks::Run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    const std::vector<std::string> undecided = Check(Take(stop));
    if (undecided.empty()) continue;
    PutBack(undecided);
    parts_.clock.Sleep(kAgain, stop);
  }
}

std::vector<std::string> RecordChecks::Take(std::stop_token stop) {
  std::unique_lock<Mutex> lock(mutex_);
  changed_.wait(lock, stop, [this] { return !pending_.empty(); });
  std::vector<std::string> page;
  for (auto next = pending_.begin(); next != pending_.end() && page.size() < kPageMax;) {
    page.push_back(*next);
    pending_.erase(next++);
  }
  return page;
}

void RecordChecks::PutBack(const std::vector<std::string>& device_ids) {
  MutexLock lock(mutex_);
  pending_.insert(device_ids.begin(), device_ids.end());
}

std::vector<std::string> RecordChecks::Check(const std::vector<std::string>& device_ids) {
  std::vector<std::string> undecided;
  if (device_ids.empty()) return undecided;
  EdgeMessages strangers;
  std::vector<Known> known;
  const auto found = FindSessions(device_ids, parts_.directory, parts_.sessions, parts_.edges);
  for (size_t i = 0; i < device_ids.size(); ++i) {
    if (found[i].kind == FoundSession::Kind::kUnknown) undecided.push_back(device_ids[i]);
    // Elsewhere: the replica to which its edge is attached hears of the change too.
    if (found[i].kind != FoundSession::Kind::kHere) continue;
    const std::optional<Session> session = parts_.sessions.Find(device_ids[i]);
    if (session.has_value() && session->epoch == found[i].entry.epoch) {
      known.push_back({*session, found[i].edge});
      continue;
    }
    pb::SessionCheck* check = strangers.To(found[i].edge).add_session_checks();
    check->set_session(found[i].entry.session);
    check->set_device_id(device_ids[i]);
    check->set_epoch(found[i].entry.epoch);
    check->set_announce(true);
  }
  strangers.Send();
  for (std::string& device_id : Judge(known)) undecided.push_back(std::move(device_id));
  return undecided;
}

std::vector<std::string> RecordChecks::Judge(const std::vector<Known>& known) {
  std::vector<std::string> device_ids;
  for (const Known& one : known) device_ids.push_back(one.session.device_id);
  if (device_ids.empty()) return {};
  const auto records = parts_.twin.FindRecords(device_ids, TwinClient::Freshness::kFresh);
  if (!records.ok()) {
    FLEETCAST_LOG_EVERY(kWarning, absl::Seconds(10), "changed devices not checked yet", {{"error", records.status()}});
    return device_ids;
  }
  EdgeMessages messages;
  for (const Known& one : known) {
    Revoke(records->at(one.session.device_id).record.get(), one.session, one.edge, messages);
  }
  messages.Send();
  return {};
}

}  // namespace fleetcast::device_connection
