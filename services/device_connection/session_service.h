// sessions.v1: who is connected, for people and programs outside.
#pragma once

#include <string>

#include "fleetcast/sessions/v1/session.grpc.pb.h"
#include "libs/base/worker_pool.h"
#include "libs/model/page_token.h"
#include "services/device_connection/edges.h"
#include "services/device_connection/session_directory.h"
#include "services/device_connection/session_table.h"

namespace fleetcast::device_connection {

class SessionService final : public sessions::v1::SessionService::CallbackService {
 public:
  struct Parts {
    SessionDirectory& directory;
    const SessionTable& sessions;
    const Edges& edges;
    const PageTokens& tokens;
    WorkerPool& workers;
  };

  static constexpr int kPageDefault = 100;
  static constexpr int kPageMax = 1000;

  explicit SessionService(const Parts& parts) : parts_(parts) {}

  grpc::ServerUnaryReactor* GetSession(grpc::CallbackServerContext* context,
                                       const sessions::v1::GetSessionRequest* request,
                                       sessions::v1::GetSessionResponse* response) override;
  grpc::ServerUnaryReactor* ListSessions(grpc::CallbackServerContext* context,
                                         const sessions::v1::ListSessionsRequest* request,
                                         sessions::v1::ListSessionsResponse* response) override;
  grpc::ServerUnaryReactor* DisconnectSession(grpc::CallbackServerContext* context,
                                              const sessions::v1::DisconnectSessionRequest* request,
                                              sessions::v1::DisconnectSessionResponse* response) override;

 private:
  absl::Status List(const sessions::v1::ListSessionsRequest& request, sessions::v1::ListSessionsResponse& response);

  const Parts parts_;
};

}  // namespace fleetcast::device_connection
