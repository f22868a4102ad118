#include "services/device_connection/session_service.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "fleetcast/internal/v1/edge_link.pb.h"
#include "google/protobuf/util/time_util.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/model/ids.h"
#include "libs/model/reasons.h"
#include "libs/rpc/run_on.h"
#include "services/device_connection/session_finder.h"

namespace fleetcast::device_connection {

namespace {

using SessionMessage = sessions::v1::Session;

SessionMessage ToProto(const Identity& identity, const SessionEntry& entry) {
  SessionMessage session;
  session.set_device_id(identity.device_id);
  session.set_module_id(identity.module_id);
  session.set_epoch(entry.epoch);
  session.set_edge_id(entry.edge.edge_id);
  session.set_accepts_methods((entry.subscriptions & internal::v1::SUBSCRIPTION_BIT_METHODS) != 0);
  *session.mutable_connect_time() =
      google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(entry.connect_unix_micros);
  return session;
}

bool IsLive(const FoundSession& found) {
  return found.kind == FoundSession::Kind::kHere || found.kind == FoundSession::Kind::kElsewhere;
}

// Whom a request names.
template <typename Request>
absl::StatusOr<Identity> ReadIdentity(const Request& request) {
  FLEETCAST_RETURN_IF_ERROR(ValidateDeviceId(request.device_id()));
  if (!request.module_id().empty()) FLEETCAST_RETURN_IF_ERROR(ValidateModuleId(request.module_id()));
  return Identity{request.device_id(), request.module_id()};
}

// The live session of one device or module, or why there is none.
absl::StatusOr<FoundSession> FindOne(const Identity& identity, const SessionService::Parts& parts) {
  const std::vector<FoundSession> found =
      FindSessions({identity.ToString()}, parts.directory, parts.sessions, parts.edges);
  if (found.front().kind == FoundSession::Kind::kUnknown) {
    return absl::UnavailableError("the session directory is not available");
  }
  if (!IsLive(found.front())) {
    return MakeError(absl::StatusCode::kNotFound, reasons::kSessionNotFound,
                     identity.module_id.empty() ? "the device is not connected" : "the module is not connected",
                     {{"device", identity.device_id}});
  }
  return found.front();
}

}  // namespace

grpc::ServerUnaryReactor* SessionService::GetSession(grpc::CallbackServerContext* context,
                                                     const sessions::v1::GetSessionRequest* request,
                                                     sessions::v1::GetSessionResponse* response) {
  return rpc::RunOn(parts_.workers, context, [this, request, response](const rpc::Call&) -> absl::Status {
    FLEETCAST_ASSIGN_OR_RETURN(const Identity identity, ReadIdentity(*request));
    FLEETCAST_ASSIGN_OR_RETURN(const FoundSession found, FindOne(identity, parts_));
    *response->mutable_session() = ToProto(identity, found.entry);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* SessionService::ListSessions(grpc::CallbackServerContext* context,
                                                       const sessions::v1::ListSessionsRequest* request,
                                                       sessions::v1::ListSessionsResponse* response) {
  return rpc::RunOn(parts_.workers, context,
                    [this, request, response](const rpc::Call&) { return List(*request, *response); });
}

absl::Status SessionService::List(const sessions::v1::ListSessionsRequest& request,
                                  sessions::v1::ListSessionsResponse& response) {
  if (request.page_size() < 0) {
    return MakeError(absl::StatusCode::kInvalidArgument, reasons::kInvalidValue, "page_size must not be negative");
  }
  const int size = request.page_size() == 0 ? kPageDefault : std::min(request.page_size(), kPageMax);
  std::string cursor = "0";
  if (!request.page_token().empty()) {
    FLEETCAST_ASSIGN_OR_RETURN(cursor, parts_.tokens.Open(request.page_token(), {"ListSessions"}));
  }
  FLEETCAST_ASSIGN_OR_RETURN(const SessionDirectory::Page page, parts_.directory.Scan(cursor, size));
  std::vector<std::string> device_ids;
  for (const Announcement& session : page.sessions) device_ids.push_back(session.device_id);
  if (!device_ids.empty()) {
    // Once more, for the leases of their edges.
    const auto found = FindSessions(device_ids, parts_.directory, parts_.sessions, parts_.edges);
    for (size_t i = 0; i < found.size(); ++i) {
      if (!IsLive(found[i])) continue;
      FLEETCAST_ASSIGN_OR_RETURN(const Identity identity, ParseIdentity(device_ids[i]));
      *response.add_sessions() = ToProto(identity, found[i].entry);
    }
  }
  if (page.next != "0") response.set_next_page_token(parts_.tokens.Seal(page.next, {"ListSessions"}));
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* SessionService::DisconnectSession(grpc::CallbackServerContext* context,
                                                            const sessions::v1::DisconnectSessionRequest* request,
                                                            sessions::v1::DisconnectSessionResponse*) {
  return rpc::RunOn(parts_.workers, context, [this, request](const rpc::Call&) -> absl::Status {
    FLEETCAST_ASSIGN_OR_RETURN(const Identity identity, ReadIdentity(*request));
    FLEETCAST_ASSIGN_OR_RETURN(const FoundSession found, FindOne(identity, parts_));
    if (found.edge == nullptr) return absl::UnavailableError("the edge of the device is not attached here, try again");
    internal::v1::AttachResponse message;
    internal::v1::DisconnectSession* disconnect = message.add_disconnects();
    disconnect->set_session(found.entry.session);
    disconnect->set_epoch(found.entry.epoch);
    disconnect->set_reason(internal::v1::DisconnectSession::REASON_ADMINISTRATIVE);
    if (!found.edge->Send(std::move(message))) return absl::UnavailableError("the edge does not keep up, try again");
    return absl::OkStatus();
  });
}

}  // namespace fleetcast::device_connection
