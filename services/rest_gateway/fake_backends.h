// For tests only: backends that answer what they are told and remember what they were asked.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fleetcast/jobs/v1/job.grpc.pb.h"
#include "fleetcast/methods/v1/method.grpc.pb.h"
#include "fleetcast/registry/v1/device.grpc.pb.h"
#include "fleetcast/registry/v1/module.grpc.pb.h"
#include "fleetcast/twins/v1/twin.grpc.pb.h"
#include "libs/base/mutex.h"
#include "libs/rpc/run_on.h"

namespace fleetcast::rest_gateway {

// One RPC: the answer that it gives, and the requests that came. Thread-safe.
template <typename Request, typename Response>
class Scripted {
 public:
  // Every call from now on is answered by `play`.
  void Play(std::function<absl::StatusOr<Response>(const Request&)> play) {
    MutexLock lock(mutex_);
    play_ = std::move(play);
  }
  void Return(Response response) {
    Play([response](const Request&) { return response; });
  }
  void Fail(const absl::Status& status) {
    Play([status](const Request&) { return status; });
  }

  // The last request; empty when none came.
  Request last() const {
    MutexLock lock(mutex_);
    return requests_.empty() ? Request() : requests_.back();
  }
  size_t count() const {
    MutexLock lock(mutex_);
    return requests_.size();
  }

  grpc::ServerUnaryReactor* Serve(grpc::CallbackServerContext* context, const Request* request, Response* response) {
    return rpc::RunNow(context, [&](const rpc::Call&) {
      MutexLock lock(mutex_);
      requests_.push_back(*request);
      absl::StatusOr<Response> answer = play_ ? play_(*request) : absl::UnimplementedError("not scripted");
      if (answer.ok()) *response = *std::move(answer);
      return answer.status();
    });
  }

 private:
  mutable Mutex mutex_;
  std::function<absl::StatusOr<Response>(const Request&)> play_;
  std::vector<Request> requests_;
};

// Declares one scripted RPC of a fake service.
#define FLEETCAST_SCRIPTED_RPC(method, member)                                                           \
  grpc::ServerUnaryReactor* method(grpc::CallbackServerContext* context, const method##Request* request, \
                                   method##Response* response) override {                                \
    return member.Serve(context, request, response);                                                     \
  }                                                                                                      \
  Scripted<method##Request, method##Response> member

namespace fake {

using namespace fleetcast::jobs::v1;      // NOLINT: the macro wants bare names.
using namespace fleetcast::twins::v1;     // NOLINT
using namespace fleetcast::registry::v1;  // NOLINT
using namespace fleetcast::methods::v1;   // NOLINT

class Jobs final : public JobService::CallbackService {
 public:
  FLEETCAST_SCRIPTED_RPC(CreateJob, create);
  FLEETCAST_SCRIPTED_RPC(GetJob, get);
  FLEETCAST_SCRIPTED_RPC(ListJobs, list);
  FLEETCAST_SCRIPTED_RPC(CancelJob, cancel);
  FLEETCAST_SCRIPTED_RPC(ListExecutions, executions);
};

class Twins final : public TwinService::CallbackService {
 public:
  FLEETCAST_SCRIPTED_RPC(GetTwin, get);
  FLEETCAST_SCRIPTED_RPC(PatchTwin, patch);
  FLEETCAST_SCRIPTED_RPC(ReplaceTwin, replace);
  FLEETCAST_SCRIPTED_RPC(QueryTwins, query);
};

class Devices final : public DeviceService::CallbackService {
 public:
  FLEETCAST_SCRIPTED_RPC(CreateDevice, create);
  FLEETCAST_SCRIPTED_RPC(GetDevice, get);
  FLEETCAST_SCRIPTED_RPC(ListDevices, list);
  FLEETCAST_SCRIPTED_RPC(UpdateDevice, update);
  FLEETCAST_SCRIPTED_RPC(DeleteDevice, remove);
  FLEETCAST_SCRIPTED_RPC(BatchChangeDevices, bulk);
  FLEETCAST_SCRIPTED_RPC(GetRegistryStatistics, statistics);
};

class Modules final : public ModuleService::CallbackService {
 public:
  FLEETCAST_SCRIPTED_RPC(CreateModule, create);
  FLEETCAST_SCRIPTED_RPC(GetModule, get);
  FLEETCAST_SCRIPTED_RPC(ListModules, list);
  FLEETCAST_SCRIPTED_RPC(UpdateModule, update);
  FLEETCAST_SCRIPTED_RPC(DeleteModule, remove);
};

// Answers as scripted, or keeps calls to `wait` open until Release.
class Methods final : public MethodService::CallbackService {
 public:
  grpc::ServerUnaryReactor* InvokeMethod(grpc::CallbackServerContext* context, const InvokeMethodRequest* request,
                                         InvokeMethodResponse* response) override {
    if (request->method() != "wait") return invoke.Serve(context, request, response);
    return rpc::RunLater(context, [this](std::shared_ptr<rpc::PendingRpc> pending) {
      MutexLock lock(mutex_);
      waiting_.push_back(std::move(pending));
    });
  }

  size_t waiting() const {
    MutexLock lock(mutex_);
    return waiting_.size();
  }

  void Release(const absl::Status& status) {
    std::vector<std::shared_ptr<rpc::PendingRpc>> waiting;
    {
      MutexLock lock(mutex_);
      waiting.swap(waiting_);
    }
    for (const std::shared_ptr<rpc::PendingRpc>& pending : waiting) pending->Finish(status);
  }

  Scripted<InvokeMethodRequest, InvokeMethodResponse> invoke;

 private:
  mutable Mutex mutex_;
  std::vector<std::shared_ptr<rpc::PendingRpc>> waiting_;
};

}  // namespace fake
}  // namespace fleetcast::rest_gateway
