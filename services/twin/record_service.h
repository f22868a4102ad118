// internal.v1.DeviceRecordService: what device_connection needs of devices, in batches.
#pragma once

#include "fleetcast/internal/v1/device_record.grpc.pb.h"
#include "libs/base/worker_pool.h"
#include "libs/rpc/run_on.h"
#include "services/twin/key_vault.h"
#include "services/twin/store/record_store.h"
#include "services/twin/store/reported_store.h"

namespace fleetcast::twin {

// Handlers run on `workers`. `vault` opens the keys of devices for those who check them.
class RecordService final : public internal::v1::DeviceRecordService::CallbackService {
 public:
  RecordService(RecordStore& records, ReportedStore& reported, const KeyVault& vault, WorkerPool& workers)
      : records_(records), reported_(reported), vault_(vault), workers_(workers) {}

  grpc::ServerUnaryReactor* LookupDevices(grpc::CallbackServerContext* context,
                                          const internal::v1::LookupDevicesRequest* request,
                                          internal::v1::LookupDevicesResponse* response) override;
  grpc::ServerUnaryReactor* SaveSubscriptions(grpc::CallbackServerContext* context,
                                              const internal::v1::SaveSubscriptionsRequest* request,
                                              internal::v1::SaveSubscriptionsResponse* response) override;
  grpc::ServerUnaryReactor* ReadDeviceTwins(grpc::CallbackServerContext* context,
                                            const internal::v1::ReadDeviceTwinsRequest* request,
                                            internal::v1::ReadDeviceTwinsResponse* response) override;
  grpc::ServerUnaryReactor* PatchReported(grpc::CallbackServerContext* context,
                                          const internal::v1::PatchReportedRequest* request,
                                          internal::v1::PatchReportedResponse* response) override;
  grpc::ServerUnaryReactor* RecordPresence(grpc::CallbackServerContext* context,
                                           const internal::v1::RecordPresenceRequest* request,
                                           internal::v1::RecordPresenceResponse* response) override;
  grpc::ServerUnaryReactor* RaiseSessionGeneration(grpc::CallbackServerContext* context,
                                                   const internal::v1::RaiseSessionGenerationRequest* request,
                                                   internal::v1::RaiseSessionGenerationResponse* response) override;

 private:
  RecordStore& records_;
  ReportedStore& reported_;
  const KeyVault& vault_;
  WorkerPool& workers_;
};

}  // namespace fleetcast::twin
