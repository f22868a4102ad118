#include <grpcpp/grpcpp.h>
#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "fleetcast/registry/v1/device.grpc.pb.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/status.h"
#include "tools/fleetcast/commands.h"
#include "tools/fleetcast/describe.h"
#include "tools/fleetcast/device_transfer.h"

namespace fleetcast::cli {
namespace {

namespace registry_pb = registry::v1;

constexpr size_t kBatchMax = 1000;  // Changes in one request (device.proto).

struct DeviceListOptions {
  int limit = 100;
};

absl::StatusOr<std::unique_ptr<registry_pb::DeviceService::Stub>> ConnectToDevices(const Context& context) {
  FLEETCAST_ASSIGN_OR_RETURN(const auto channel, context.Twins());
  return registry_pb::DeviceService::NewStub(channel);
}

// Makes the same change to all of `ids`; `changed` gets the devices that exist afterwards. FAILED_PRECONDITION names
// those that failed; the others took effect.
absl::Status ChangeDevices(Context& context, const std::vector<std::string>& ids, registry_pb::DeviceChange::Kind kind,
                           std::vector<Record>& changed) {
  FLEETCAST_ASSIGN_OR_RETURN(const auto stub, ConnectToDevices(context));
  std::string failures;
  for (size_t begin = 0; begin < ids.size(); begin += kBatchMax) {
    registry_pb::BatchChangeDevicesRequest request;
    for (size_t i = begin; i < std::min(begin + kBatchMax, ids.size()); ++i) {
      registry_pb::DeviceChange& change = *request.add_changes();
      change.set_kind(kind);
      change.mutable_device()->set_id(ids[i]);
    }
    grpc::ClientContext call;
    context.Prepare(call);
    registry_pb::BatchChangeDevicesResponse response;
    FLEETCAST_RETURN_IF_ERROR(rpc::FromGrpc(stub->BatchChangeDevices(&call, request, &response)));
    for (const registry_pb::Device& device : response.devices()) changed.push_back(DeviceRecord(device));
    for (const registry_pb::DeviceChangeError& error : response.errors()) {
      absl::StrAppend(&failures, "\n       ", error.device_id(), ": ", error.reason(), ": ", error.message());
    }
  }
  if (failures.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("some devices were left as they were:", failures));
}

absl::Status CreateDevices(Context& context, const std::vector<std::string>& ids) {
  if (ids.size() == 1) {  // The single call has the better errors.
    FLEETCAST_ASSIGN_OR_RETURN(const auto stub, ConnectToDevices(context));
    grpc::ClientContext call;
    context.Prepare(call);
    registry_pb::CreateDeviceRequest request;
    request.mutable_device()->set_id(ids[0]);
    registry_pb::CreateDeviceResponse response;
    FLEETCAST_RETURN_IF_ERROR(rpc::FromGrpc(stub->CreateDevice(&call, request, &response)));
    context.PrintOne(DeviceFieldNames(), DeviceRecord(response.device()));
    return absl::OkStatus();
  }
  std::vector<Record> created;
  const absl::Status status = ChangeDevices(context, ids, registry_pb::DeviceChange::KIND_CREATE, created);
  context.Print(DeviceHeadings(), created);
  return status;
}

absl::Status DeleteDevices(Context& context, const std::vector<std::string>& ids) {
  std::vector<Record> none;
  return ChangeDevices(context, ids, registry_pb::DeviceChange::KIND_DELETE, none);
}

absl::Status GetDevice(Context& context, const std::string& id) {
  FLEETCAST_ASSIGN_OR_RETURN(const auto stub, ConnectToDevices(context));
  grpc::ClientContext call;
  context.Prepare(call);
  registry_pb::GetDeviceRequest request;
  request.set_device_id(id);
  registry_pb::GetDeviceResponse response;
  FLEETCAST_RETURN_IF_ERROR(rpc::FromGrpc(stub->GetDevice(&call, request, &response)));
  context.PrintOne(DeviceFieldNames(), DeviceRecord(response.device()));
  return absl::OkStatus();
}

absl::Status ListDevices(Context& context, const DeviceListOptions& options) {
  FLEETCAST_ASSIGN_OR_RETURN(const auto stub, ConnectToDevices(context));
  registry_pb::ListDevicesRequest request;
  std::vector<Record> records;
  do {
    request.set_page_size(std::min(kPageSize, options.limit - static_cast<int>(records.size())));
    grpc::ClientContext call;
    context.Prepare(call);
    registry_pb::ListDevicesResponse response;
    FLEETCAST_RETURN_IF_ERROR(rpc::FromGrpc(stub->ListDevices(&call, request, &response)));
    for (const registry_pb::Device& device : response.devices()) records.push_back(DeviceRecord(device));
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty() && static_cast<int>(records.size()) < options.limit);
  context.Print(DeviceHeadings(), records);
  SayIfMore(request.page_token());
  return absl::OkStatus();
}

void AddTransferCommands(CLI::App& devices, Context& context) {
  auto exported = std::make_shared<ExportOptions>();
  exported->file = "-";
  CLI::App* const put_out = devices.add_subcommand("export", "All devices, modules and twins as lines of JSON");
  put_out->add_option("file", exported->file, "Where to, - for standard output")->capture_default_str();
  put_out->add_flag("--no-keys", exported->exclude_keys, "Leave the symmetric keys out");
  put_out->footer("Example:\n  fleetcast device export hub.ndjson");
  put_out->callback([&context, exported] { context.Finish(ExportDevices(context, *exported)); });

  auto imported = std::make_shared<ImportOptions>();
  CLI::App* const take_in = devices.add_subcommand("import", "Write devices, modules and twins from lines of JSON");
  take_in->add_option("file", imported->file, "What to read, - for standard input")->required();
  take_in->add_option("--errors", imported->errors, "File for the lines that failed, as lines of JSON");
  take_in->footer(
      "What is there already and does not differ is left alone: an import may be repeated.\nExample:\n"
      "  fleetcast device import hub.ndjson --errors failed.ndjson");
  take_in->callback([&context, imported] { context.Finish(ImportDevices(context, *imported)); });
}

}  // namespace

void AddDeviceCommands(CLI::App& app, Context& context) {
  CLI::App* const devices = app.add_subcommand("device", "Register devices and look at them")->alias("devices");
  devices->require_subcommand(1);

  auto created = std::make_shared<std::vector<std::string>>();
  CLI::App* const create = devices->add_subcommand("create", "Register devices; prints their keys");
  create->add_option("id", *created, "Ids of the new devices")->required();
  create->footer("Example:\n  fleetcast device create d1 d2 d3 -o json");
  create->callback([&context, created] { context.Finish(CreateDevices(context, *created)); });

  auto options = std::make_shared<DeviceListOptions>();
  CLI::App* const list = devices->add_subcommand("list", "Devices by id");
  list->add_option("-l,--limit", options->limit, "At most so many")
      ->check(CLI::Range(1, 1'000'000'000))
      ->capture_default_str();
  list->footer("Example:\n  fleetcast device list --limit 1000 -o jsonl");
  list->callback([&context, options] { context.Finish(ListDevices(context, *options)); });

  auto shown = std::make_shared<std::string>();
  CLI::App* const get = devices->add_subcommand("get", "One device with its keys");
  get->add_option("id", *shown, "The device")->required();
  get->footer("Example:\n  fleetcast device get d1");
  get->callback([&context, shown] { context.Finish(GetDevice(context, *shown)); });

  auto deleted = std::make_shared<std::vector<std::string>>();
  CLI::App* const remove = devices->add_subcommand("delete", "Remove devices and their twins");
  remove->add_option("id", *deleted, "The devices")->required();
  remove->footer("Example:\n  fleetcast device delete d1 d2");
  remove->callback([&context, deleted] { context.Finish(DeleteDevices(context, *deleted)); });
  AddTransferCommands(*devices, context);
}

}  // namespace fleetcast::cli
