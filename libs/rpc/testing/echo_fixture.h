// A server with the echo service, for the tests beside it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "libs/base/worker_pool.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/server.h"
#include "libs/rpc/testing/echo_service.h"
#include "libs/telemetry/metrics.h"
#include "libs/testing/free_port.h"

namespace fleetcast::rpc::testing {

class EchoFixture : public ::testing::Test {
 protected:
  EchoFixture() { StartServer(absl::StrCat("127.0.0.1:", ::fleetcast::testing::FreePort())); }  // Some come back to it.

  void StartServer(const std::string& listen, OutboxLimits outbox = {}) {
    service = std::make_unique<EchoServiceImpl>(pool, outbox);
    auto started = Server::Start({.listen = listen}, {{EchoService::service_full_name(), service.get()}}, metrics);
    ASSERT_TRUE(started.ok()) << started.status();
    server = *std::move(started);
    server->SetServing(true);
    address = absl::StrCat("127.0.0.1:", server->port());
  }

  void StopServer(absl::Duration limit = absl::ZeroDuration()) {
    server->Shutdown(limit);
    server.reset();
  }

  std::unique_ptr<EchoService::Stub> NewStub() {
    return EchoService::NewStub(MakeChannel(address, {.own_connection = true}).value());
  }

  telemetry::Metrics metrics;
  WorkerPool pool{2, /*queue_limit=*/4};
  std::unique_ptr<EchoServiceImpl> service;
  std::unique_ptr<Server> server;
  std::string address;
};

}  // namespace fleetcast::rpc::testing
