#include "services/device_connection/session_directory.h"

#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "services/device_connection/directory_scripts.h"

namespace fleetcast::device_connection {
namespace {

// Longest wait for one round trip; Redis answers within a millisecond, or something is wrong.
constexpr absl::Duration kTimeout = absl::Seconds(1);

constexpr char kSentinel[] = "fleetcast:generation";
constexpr char kCounter[] = "fleetcast:epoch";
constexpr char kReviews[] = "fleetcast:reviews";
constexpr std::string_view kSessionPrefix = "fleetcast:session:";
constexpr char kReasonLost[] = "DIRECTORY_LOST";

std::string KeyOf(std::string_view device_id) { return absl::StrCat(Absl(kSessionPrefix), Absl(device_id)); }

std::string LeaseKeyOf(const EdgeName& edge) {
  return absl::StrCat("fleetcast:edge:", edge.edge_id, ":", edge.boot_id);
}

absl::Status Lost() {
  return MakeError(absl::StatusCode::kUnavailable, kReasonLost, "the session directory has lost its memory");
}

// How the script finds out what the entry says about stored subscriptions (directory_scripts.h).
std::string ModeOf(const NewSession& session) {
  if (session.clean) return absl::StrCat("c", EncodeStored(Stored::kNo, 0));
  if (!session.stored_subscriptions.has_value()) return absl::StrCat("i", EncodeStored(Stored::kUnknown, 0));
  return absl::StrCat("f", EncodeStored(Stored::kYes, *session.stored_subscriptions));
}

// The entry that the open script made, computed again from what it answered.
OpenedSession ToOpened(const NewSession& session, int64_t epoch, const std::string& previous) {
  OpenedSession opened;
  opened.previous = DecodeSessionEntry(previous);
  opened.entry = {.epoch = epoch,
                  .stored = Stored::kUnknown,
                  .subscriptions = 0,
                  .edge = session.edge,
                  .session = session.session,
                  .connect_unix_micros = session.connect_unix_micros};
  if (session.clean) {
    opened.entry.stored = Stored::kNo;
  } else if (session.stored_subscriptions.has_value()) {
    opened.entry.stored = Stored::kYes;
    opened.entry.subscriptions = *session.stored_subscriptions;
  } else if (opened.previous.has_value() && opened.previous->stored != Stored::kUnknown) {
    opened.entry.stored = Stored::kYes;
    opened.entry.subscriptions = opened.previous->stored == Stored::kYes ? opened.previous->subscriptions : 0;
  }
  return opened;
}

}  // namespace

bool SessionDirectory::IsLost(const absl::Status& status) { return GetReason(status) == kReasonLost; }

absl::StatusOr<int64_t> SessionDirectory::Generation() {
  const int64_t seen = highest_epoch_.load();  // Before Redis looks: what is opened after it has looked is no proof.
  FLEETCAST_ASSIGN_OR_RETURN(const auto replies, RunScript(GenerationScript(), {kSentinel, kCounter}, {}));
  const std::vector<redis::Reply>& answer = replies.front().elements;
  int64_t generation = 0;
  int64_t counter = 0;
  if (answer.size() != 2 || !absl::SimpleAtoi(answer[0].text, &generation) ||
      !absl::SimpleAtoi(answer[1].text, &counter) || MakeEpoch(generation, counter) < seen) {
    return Lost();
  }
  return generation;
}

absl::StatusOr<int64_t> SessionDirectory::Install(int64_t generation) {
  FLEETCAST_ASSIGN_OR_RETURN(const auto replies,
                             RunScript(InstallScript(), {kSentinel, kCounter}, {std::to_string(generation)}));
  int64_t standing = 0;
  if (!absl::SimpleAtoi(replies.front().text, &standing))
    return absl::InternalError("directory: install answered text");
  return standing;
}

absl::StatusOr<std::vector<OpenedSession>> SessionDirectory::Open(const std::vector<NewSession>& sessions) {
  std::vector<std::string> keys = {kSentinel, kCounter};
  std::vector<std::string> arguments = {EncodeEpoch(highest_epoch_.load())};
  std::vector<EdgeName> edges;
  absl::flat_hash_set<std::string> boots;
  for (const NewSession& session : sessions) {
    if (boots.insert(session.edge.boot_id).second) edges.push_back(session.edge);
    keys.push_back(KeyOf(session.device_id));
    arguments.push_back(ModeOf(session));
    arguments.push_back(EncodePlace(
        {.edge = session.edge, .session = session.session, .connect_unix_micros = session.connect_unix_micros}));
  }
  redis::Pipeline pipeline;
  AddLeases(edges, pipeline);
  pipeline.AddScript(OpenScript(), keys, arguments);
  FLEETCAST_ASSIGN_OR_RETURN(const auto replies, Run(pipeline));
  const std::vector<redis::Reply>& answer = replies.back().elements;
  if (answer.size() != sessions.size() + 2) return Lost();
  int64_t generation = 0;
  if (!absl::SimpleAtoi(answer[0].text, &generation)) return Lost();
  const int64_t first = answer[1].integer;
  std::vector<OpenedSession> opened;
  opened.reserve(sessions.size());
  for (size_t i = 0; i < sessions.size(); ++i) {
    const int64_t epoch = MakeEpoch(generation, first + static_cast<int64_t>(i));
    opened.push_back(ToOpened(sessions[i], epoch, answer[i + 2].text));
  }
  Saw(MakeEpoch(generation, first + static_cast<int64_t>(sessions.size()) - 1));
  return opened;
}

absl::StatusOr<std::vector<bool>> SessionDirectory::Announce(const std::vector<Announcement>& sessions) {
  std::vector<std::string> keys = {kSentinel, kCounter};
  std::vector<std::string> arguments;
  for (const Announcement& session : sessions) {
    keys.push_back(KeyOf(session.device_id));
    arguments.push_back(Encode(session.entry));
    Saw(session.entry.epoch);
  }
  FLEETCAST_ASSIGN_OR_RETURN(const auto replies, RunScript(AnnounceScript(), std::move(keys), arguments));
  const std::vector<redis::Reply>& answer = replies.front().elements;
  if (answer.size() != sessions.size()) return Lost();
  std::vector<bool> stands;
  for (const redis::Reply& reply : answer) stands.push_back(reply.integer == 1);
  return stands;
}

absl::StatusOr<std::vector<bool>> SessionDirectory::SetSubscriptions(const std::vector<SubscriptionUpdate>& updates) {
  redis::Pipeline pipeline;
  for (const SubscriptionUpdate& update : updates) {
    pipeline.AddScript(SubscribeScript(), {KeyOf(update.device_id)},
                       {EncodeEpoch(update.epoch), EncodeStored(update.stored, update.subscriptions)});
  }
  FLEETCAST_ASSIGN_OR_RETURN(const auto replies, Run(pipeline));
  std::vector<bool> stands;
  for (const redis::Reply& reply : replies) stands.push_back(reply.integer >= 0);
  return stands;
}

absl::Status SessionDirectory::Close(const std::vector<Ending>& endings) {
  const std::string remembered = absl::StrCat(absl::ToInt64Milliseconds(kEpochRemembered));
  redis::Pipeline pipeline;
  for (const Ending& ending : endings) {
    pipeline.AddScript(CloseScript(), {KeyOf(ending.device_id)}, {EncodeEpoch(ending.epoch), remembered});
  }
  return Run(pipeline).status();
}

absl::Status SessionDirectory::Undo(const std::vector<NewSession>& sessions) {
  std::vector<std::string> device_ids;
  for (const NewSession& session : sessions) device_ids.push_back(session.device_id);
  FLEETCAST_ASSIGN_OR_RETURN(const auto entries, Find(device_ids));
  std::vector<Ending> entered;
  for (size_t i = 0; i < sessions.size(); ++i) {
    const auto& entry = entries[i];
    if (!entry.has_value() || !entry->is_connected()) continue;
    if (entry->edge != sessions[i].edge || entry->session != sessions[i].session) continue;
    entered.push_back({sessions[i].device_id, entry->epoch});
  }
  if (!entered.empty()) FLEETCAST_RETURN_IF_ERROR(Close(entered));
  return RequestReview();
}

absl::Status SessionDirectory::RequestReview() { return redis_.Run({"INCR", kReviews}, kTimeout).status(); }

absl::StatusOr<int64_t> SessionDirectory::Reviews() {
  FLEETCAST_ASSIGN_OR_RETURN(const redis::Reply reply, redis_.Run({"MGET", kReviews}, kTimeout));
  int64_t reviews = 0;
  if (reply.elements.size() != 1) return absl::InternalError("directory: reviews answered something else");
  if (!reply.elements[0].is_nil() && !absl::SimpleAtoi(reply.elements[0].text, &reviews)) {
    return absl::InternalError("directory: reviews answered text");
  }
  return reviews;
}

absl::Status SessionDirectory::ForgetStored(const std::vector<std::string>& device_ids) {
  redis::Pipeline pipeline;
  for (const std::string& device_id : device_ids) {
    pipeline.AddScript(ForgetScript(), {KeyOf(device_id)}, {EncodeStored(Stored::kUnknown, 0)});
  }
  return Run(pipeline).status();
}

absl::StatusOr<std::vector<std::optional<SessionEntry>>> SessionDirectory::Find(
    const std::vector<std::string>& device_ids) {
  std::vector<std::string> command = {"MGET", kSentinel};
  for (const std::string& device_id : device_ids) command.push_back(KeyOf(device_id));
  FLEETCAST_ASSIGN_OR_RETURN(const redis::Reply reply, redis_.Run(std::move(command), kTimeout));
  if (reply.elements.size() != device_ids.size() + 1 || reply.elements[0].is_nil()) return Lost();
  std::vector<std::optional<SessionEntry>> entries;
  entries.reserve(device_ids.size());
  for (size_t i = 1; i < reply.elements.size(); ++i) entries.push_back(DecodeSessionEntry(reply.elements[i].text));
  return entries;
}

absl::Status SessionDirectory::RenewLeases(const std::vector<EdgeName>& edges) {
  redis::Pipeline pipeline;
  AddLeases(edges, pipeline);
  return Run(pipeline).status();
}

void SessionDirectory::AddLeases(const std::vector<EdgeName>& edges, redis::Pipeline& pipeline) const {
  const std::string ttl = absl::StrCat(absl::ToInt64Milliseconds(edge_lease_));
  for (const EdgeName& edge : edges) pipeline.Add({"SET", LeaseKeyOf(edge), "1", "PX", ttl});
}

absl::StatusOr<std::vector<bool>> SessionDirectory::HaveLeases(const std::vector<EdgeName>& edges) {
  std::vector<bool> alive;
  if (edges.empty()) return alive;
  std::vector<std::string> command = {"MGET"};
  for (const EdgeName& edge : edges) command.push_back(LeaseKeyOf(edge));
  FLEETCAST_ASSIGN_OR_RETURN(const redis::Reply reply, redis_.Run(std::move(command), kTimeout));
  if (reply.elements.size() != edges.size()) return absl::InternalError("directory: leases answered something else");
  for (const redis::Reply& lease : reply.elements) alive.push_back(!lease.is_nil());
  return alive;
}

absl::StatusOr<SessionDirectory::Page> SessionDirectory::Scan(std::string_view cursor, int size) {
  FLEETCAST_ASSIGN_OR_RETURN(const redis::Reply scanned,
                             redis_.Run({"SCAN", std::string(cursor), "MATCH", absl::StrCat(Absl(kSessionPrefix), "*"),
                                         "COUNT", std::to_string(size)},
                                        kTimeout));
  if (scanned.elements.size() != 2) return absl::InternalError("directory: scan answered something else");
  Page page{.sessions = {}, .next = scanned.elements[0].text};
  std::vector<std::string> device_ids;
  for (const redis::Reply& key : scanned.elements[1].elements) {
    device_ids.push_back(key.text.substr(kSessionPrefix.size()));
  }
  if (device_ids.empty()) return page;
  FLEETCAST_ASSIGN_OR_RETURN(const auto entries, Find(device_ids));
  for (size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].has_value() && entries[i]->is_connected()) page.sessions.push_back({device_ids[i], *entries[i]});
  }
  return page;
}

absl::StatusOr<std::vector<redis::Reply>> SessionDirectory::Run(const redis::Pipeline& pipeline) {
  return redis_.Run(pipeline, kTimeout);
}

absl::StatusOr<std::vector<redis::Reply>> SessionDirectory::RunScript(const redis::Script& script,
                                                                      std::vector<std::string> keys,
                                                                      const std::vector<std::string>& arguments) {
  redis::Pipeline pipeline;
  pipeline.AddScript(script, keys, arguments);
  return Run(pipeline);
}

void SessionDirectory::Saw(int64_t epoch) {
  int64_t highest = highest_epoch_.load();
  while (highest < epoch && !highest_epoch_.compare_exchange_weak(highest, epoch)) {
  }
}

}  // namespace fleetcast::device_connection
