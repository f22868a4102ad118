// method_dispatch and twin as the scheduler sees them, on real gRPC: every device answers at once.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "fleetcast/internal/v1/method_dispatch.grpc.pb.h"
#include "fleetcast/internal/v1/target.grpc.pb.h"
#include "fleetcast/internal/v1/twin_write.grpc.pb.h"
#include "libs/base/mutex.h"
#include "libs/base/worker_pool.h"
#include "libs/rpc/server.h"
#include "libs/rpc/server_stream.h"
#include "libs/telemetry/metrics.h"

namespace fleetcast::scheduler {

// Keeps what each scheduler did not acknowledge, as the real one does. Thread-safe.
class FakeDispatch final : public internal::v1::MethodDispatchService::CallbackService {
 public:
  // How many unfinished calls a scheduler may have.
  explicit FakeDispatch(int64_t credit = 20'000) : credit_(credit) {}

  grpc::ServerBidiReactor<internal::v1::DispatchRequest, internal::v1::DispatchResponse>* Dispatch(
      grpc::CallbackServerContext* context) override;

  // From now on devices get their requests, but their answers are kept back.
  void HoldAnswers(bool hold) EXCLUDES(mutex_);
  // Most requests that one target got.
  int MostCalls() EXCLUDES(mutex_);
  size_t calls() EXCLUDES(mutex_);
  // Ends that nobody acknowledged.
  size_t kept() EXCLUDES(mutex_);

 private:
  using Stream = rpc::BidiServerStream<internal::v1::DispatchRequest, internal::v1::DispatchResponse>;
  using Key = std::pair<int64_t, int64_t>;

  void OnMessage(const std::shared_ptr<Stream>& stream, const internal::v1::DispatchRequest& request) EXCLUDES(mutex_);

  const int64_t credit_;
  const absl::Time boot_ = absl::Now() - absl::Hours(1);
  Mutex mutex_;
  bool hold_ GUARDED_BY(mutex_) = false;
  absl::flat_hash_map<Key, int> calls_ GUARDED_BY(mutex_);
  absl::flat_hash_map<Key, bool> kept_ GUARDED_BY(mutex_);  // Value: the end is known.
};

// A registry of `devices` devices, and writes that always succeed. Thread-safe.
class FakeTwin final : public internal::v1::TwinWriteService::CallbackService,
                       public internal::v1::TargetService::CallbackService {
 public:
  explicit FakeTwin(int devices) : devices_(devices) {}

  grpc::ServerBidiReactor<internal::v1::WriteSlicesRequest, internal::v1::WriteSlicesResponse>* WriteSlices(
      grpc::CallbackServerContext* context) override;
  grpc::ServerWriteReactor<internal::v1::StreamTargetsResponse>* StreamTargets(
      grpc::CallbackServerContext* context, const internal::v1::StreamTargetsRequest* request) override;

  int64_t written() const { return written_; }

 private:
  const int devices_;
  std::atomic<int64_t> written_ = 0;
  WorkerPool workers_{2, 100};
};

// Both on one loopback port.
class FakeHops {
 public:
  explicit FakeHops(int devices);

  FakeDispatch dispatch;
  FakeTwin twin;
  std::string address() const { return address_; }

 private:
  telemetry::Metrics metrics_;
  std::string address_;
  std::unique_ptr<rpc::Server> server_;
};

}  // namespace fleetcast::scheduler
