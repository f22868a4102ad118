#include "services/twin/device_import.h"

#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/mutex.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/model/reasons.h"
#include "libs/rpc/guard.h"
#include "libs/rpc/server_stream.h"
#include "services/twin/import_line.h"
#include "services/twin/store/device_store.h"

namespace fleetcast::twin {
namespace {

using registry::v1::ImportDevicesRequest;
using registry::v1::ImportDevicesResponse;

constexpr absl::Duration kBatchLimit = absl::Seconds(60);

// Lines that go into one transaction.
struct Run {
  std::vector<RegistryChange> changes;
  std::vector<int> index;
  absl::flat_hash_set<std::string> names;
};

void AddError(int index, const Identity& identity, const absl::Status& status, ImportDevicesResponse& response) {
  registry::v1::ImportError& error = *response.add_errors();
  error.set_index(index);
  // What could not be read as text must not stand in a message that has to be UTF-8.
  if (ValidateDeviceId(identity.device_id).ok()) error.set_device_id(identity.device_id);
  if (ValidateModuleId(identity.module_id).ok()) error.set_module_id(identity.module_id);
  error.set_reason(GetReason(status));
  error.set_message(std::string(status.message()));
}

void Count(RegistryResult::Effect effect, ImportDevicesResponse& response) {
  switch (effect) {
    case RegistryResult::Effect::kCreated: return response.set_created(response.created() + 1);
    case RegistryResult::Effect::kUpdated: return response.set_updated(response.updated() + 1);
    case RegistryResult::Effect::kDeleted: return response.set_deleted(response.deleted() + 1);
    case RegistryResult::Effect::kNone: return response.set_unchanged(response.unchanged() + 1);
  }
}

absl::Status ApplyRun(absl::Time deadline, Run& run, RegistryBatchStore& batches, ImportDevicesResponse& response) {
  FLEETCAST_ASSIGN_OR_RETURN(const std::vector<RegistryResult> results, batches.Apply(deadline, run.changes));
  for (size_t i = 0; i < results.size(); ++i) {
    if (results[i].status.ok()) {
      Count(results[i].effect, response);
    } else {
      AddError(run.index[i], run.changes[i].device.settings.identity(), results[i].status, response);
    }
  }
  run = {};
  return absl::OkStatus();
}

// The state of one stream. Requests are taken one at a time by a worker; gRPC's thread only queues.
class Import : public std::enable_shared_from_this<Import> {
 public:
  using Stream = rpc::BidiServerStream<ImportDevicesRequest, ImportDevicesResponse>;

  Import(const DeviceImport::Parts& parts, WorkerPool& workers, std::function<void()> on_change)
      : parts_(parts), workers_(workers), on_change_(std::move(on_change)) {}

  DeviceImport::Reactor* Start(grpc::CallbackServerContext* context) {
    auto self = shared_from_this();
    return stream_->Start(context,
                          {.on_message = [self](ImportDevicesRequest&& request) { self->Take(std::move(request)); },
                           .on_closed = nullptr});
  }

 private:
  void Take(ImportDevicesRequest&& request) {
    bool is_full = false;
    {
      MutexLock lock(mutex_);
      is_full = waiting_.size() >= kImportRequestsMax;
      if (!is_full) {
        waiting_.push_back(std::move(request));
        if (is_working_) return;
        is_working_ = true;
      }
    }
    if (!is_full) return Work();
    stream_->Close(MakeError(absl::StatusCode::kResourceExhausted, reasons::kServerBusy,
                             absl::StrCat("more than ", kImportRequestsMax, " requests wait")));
  }

  // Runs what waits, on a worker.
  void Work() {
    const bool is_queued = workers_.TrySubmit([self = shared_from_this()] { self->RunNext(); });
    if (!is_queued) {
      stream_->Close(MakeError(absl::StatusCode::kResourceExhausted, reasons::kServerBusy, "the service is busy"));
    }
  }

  void RunNext() {
    ImportDevicesRequest request;
    {
      MutexLock lock(mutex_);
      request = std::move(waiting_.front());
    }
    if (stream_->stop_token().stop_requested()) return;  // Nobody would hear the answer.
    ImportDevicesResponse response;
    const absl::Status status = rpc::Guarded(
        [&] { return ImportBatch(absl::Now() + kBatchLimit, request, parts_.batches, parts_.vault, response); });
    on_change_();
    if (!status.ok()) return stream_->Close(status);
    stream_->TrySend(std::move(response));  // There is room for all that may wait.
    {
      MutexLock lock(mutex_);
      waiting_.pop_front();
      is_working_ = !waiting_.empty();
      if (!is_working_) return;
    }
    Work();
  }

  const DeviceImport::Parts parts_;
  WorkerPool& workers_;
  const std::function<void()> on_change_;
  const std::shared_ptr<Stream> stream_ = Stream::Create();
  Mutex mutex_;
  std::deque<ImportDevicesRequest> waiting_ GUARDED_BY(mutex_);  // The first one runs when is_working_.
  bool is_working_ GUARDED_BY(mutex_) = false;
};

}  // namespace

absl::Status ImportBatch(absl::Time deadline, const ImportDevicesRequest& request, RegistryBatchStore& batches,
                         const KeyVault& vault, ImportDevicesResponse& response) {
  if (request.lines_size() > static_cast<int>(kDevicesPerBatchMax)) {
    return MakeError(absl::StatusCode::kInvalidArgument, reasons::kInvalidValue,
                     absl::StrCat("a request holds at most ", kDevicesPerBatchMax, " lines"));
  }
  const absl::Time now = absl::Now();
  Run run;
  for (int i = 0; i < request.lines_size(); ++i) {
    const std::string& line = request.lines(i);
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    ImportLine read = ReadImportLine(line, vault, now);
    if (!read.change.ok()) {
      AddError(i, read.identity, read.change.status(), response);
      continue;
    }
    if (!run.names.insert(read.identity.ToString()).second) {
      FLEETCAST_RETURN_IF_ERROR(ApplyRun(deadline, run, batches, response));
      run.names.insert(read.identity.ToString());
    }
    run.changes.push_back(*std::move(read.change));
    run.index.push_back(i);
  }
  return ApplyRun(deadline, run, batches, response);
}

DeviceImport::Reactor* DeviceImport::Start(grpc::CallbackServerContext* context, const Parts& parts,
                                           WorkerPool& workers, std::function<void()> on_change) {
  return std::make_shared<Import>(parts, workers, std::move(on_change))->Start(context);
}

}  // namespace fleetcast::twin
