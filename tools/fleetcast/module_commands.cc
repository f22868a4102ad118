#include <grpcpp/grpcpp.h>
#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "fleetcast/registry/v1/module.grpc.pb.h"
#include "libs/base/status_macros.h"
#include "libs/model/ids.h"
#include "libs/rpc/status.h"
#include "tools/fleetcast/commands.h"
#include "tools/fleetcast/describe.h"

namespace fleetcast::cli {
namespace {

namespace registry_pb = registry::v1;

struct ModuleCreateOptions {
  std::string name;
  std::string managed_by;
};

absl::StatusOr<std::unique_ptr<registry_pb::ModuleService::Stub>> ConnectToModules(const Context& context) {
  FLEETCAST_ASSIGN_OR_RETURN(const auto channel, context.Twins());
  return registry_pb::ModuleService::NewStub(channel);
}

// DEVICE/MODULE as its two parts.
absl::StatusOr<Identity> ReadName(const std::string& name) {
  const size_t slash = name.find('/');
  if (slash != std::string::npos) return Identity{name.substr(0, slash), name.substr(slash + 1)};
  return absl::InvalidArgumentError(absl::StrCat("'", name, "' names no module\ntry:   DEVICE/MODULE"));
}

std::vector<std::string> ModuleFieldNames() { return {"device", "module", "managed by", "connected", "primary key"}; }
std::vector<std::string> ModuleHeadings() { return {"DEVICE", "MODULE", "MANAGED BY", "CONNECTED"}; }

// `with_key`: a cell for the key, as single modules show it.
Record ModuleRecord(const registry_pb::Module& module, bool with_key) {
  json::Value object = json::Value::MakeObject();
  object.Set("deviceId", json::Value::String(module.device_id()));
  object.Set("moduleId", json::Value::String(module.id()));
  SetText(object, "managedBy", module.managed_by());
  object.Set("connected", json::Value::Bool(module.connected()));
  SetText(object, "primaryKey", module.primary_key());
  SetText(object, "secondaryKey", module.secondary_key());
  SetText(object, "primaryThumbprint", module.primary_thumbprint());
  SetText(object, "generationId", module.generation_id());
  SetText(object, "etag", module.etag());
  Record record{std::move(object),
                {module.device_id(), module.id(), module.managed_by(), module.connected() ? "yes" : "no"}};
  if (with_key) record.cells.push_back(module.primary_key());
  return record;
}

absl::Status CreateModule(Context& context, const ModuleCreateOptions& options) {
  FLEETCAST_ASSIGN_OR_RETURN(const Identity identity, ReadName(options.name));
  FLEETCAST_ASSIGN_OR_RETURN(const auto stub, ConnectToModules(context));
  grpc::ClientContext call;
  context.Prepare(call);
  registry_pb::CreateModuleRequest request;
  request.mutable_module()->set_device_id(identity.device_id);
  request.mutable_module()->set_id(identity.module_id);
  request.mutable_module()->set_managed_by(options.managed_by);
  registry_pb::CreateModuleResponse response;
  FLEETCAST_RETURN_IF_ERROR(rpc::FromGrpc(stub->CreateModule(&call, request, &response)));
  context.PrintOne(ModuleFieldNames(), ModuleRecord(response.module(), true));
  return absl::OkStatus();
}

absl::Status GetModule(Context& context, const std::string& name) {
  FLEETCAST_ASSIGN_OR_RETURN(const Identity identity, ReadName(name));
  FLEETCAST_ASSIGN_OR_RETURN(const auto stub, ConnectToModules(context));
  grpc::ClientContext call;
  context.Prepare(call);
  registry_pb::GetModuleRequest request;
  request.set_device_id(identity.device_id);
  request.set_module_id(identity.module_id);
  registry_pb::GetModuleResponse response;
  FLEETCAST_RETURN_IF_ERROR(rpc::FromGrpc(stub->GetModule(&call, request, &response)));
  context.PrintOne(ModuleFieldNames(), ModuleRecord(response.module(), true));
  return absl::OkStatus();
}

absl::Status ListModules(Context& context, const std::string& device_id) {
  FLEETCAST_ASSIGN_OR_RETURN(const auto stub, ConnectToModules(context));
  grpc::ClientContext call;
  context.Prepare(call);
  registry_pb::ListModulesRequest request;
  request.set_device_id(device_id);
  registry_pb::ListModulesResponse response;
  FLEETCAST_RETURN_IF_ERROR(rpc::FromGrpc(stub->ListModules(&call, request, &response)));
  std::vector<Record> records;
  for (const registry_pb::Module& module : response.modules()) records.push_back(ModuleRecord(module, false));
  context.Print(ModuleHeadings(), records);
  return absl::OkStatus();
}

absl::Status DeleteModule(Context& context, const std::string& name) {
  FLEETCAST_ASSIGN_OR_RETURN(const Identity identity, ReadName(name));
  FLEETCAST_ASSIGN_OR_RETURN(const auto stub, ConnectToModules(context));
  grpc::ClientContext call;
  context.Prepare(call);
  registry_pb::DeleteModuleRequest request;
  request.set_device_id(identity.device_id);
  request.set_module_id(identity.module_id);
  registry_pb::DeleteModuleResponse response;
  return rpc::FromGrpc(stub->DeleteModule(&call, request, &response));
}

}  // namespace

void AddModuleCommands(CLI::App& app, Context& context) {
  CLI::App* const modules =
      app.add_subcommand("module", "Modules of devices: identities with keys and twins of their own");
  modules->require_subcommand(1);

  auto created = std::make_shared<ModuleCreateOptions>();
  CLI::App* const create = modules->add_subcommand("create", "Register a module; prints its keys");
  create->add_option("name", created->name, "DEVICE/MODULE")->required();
  create->add_option("--managed-by", created->managed_by, "Who looks after it");
  create->footer("Example:\n  fleetcast module create d1/camera");
  create->callback([&context, created] { context.Finish(CreateModule(context, *created)); });

  auto device_id = std::make_shared<std::string>();
  CLI::App* const list = modules->add_subcommand("list", "The modules of a device");
  list->add_option("device", *device_id, "The device")->required();
  list->footer("Example:\n  fleetcast module list d1");
  list->callback([&context, device_id] { context.Finish(ListModules(context, *device_id)); });

  auto shown = std::make_shared<std::string>();
  CLI::App* const get = modules->add_subcommand("get", "One module with its keys");
  get->add_option("name", *shown, "DEVICE/MODULE")->required();
  get->footer("Example:\n  fleetcast module get d1/camera");
  get->callback([&context, shown] { context.Finish(GetModule(context, *shown)); });

  auto deleted = std::make_shared<std::string>();
  CLI::App* const remove = modules->add_subcommand("delete", "Remove a module and its twin");
  remove->add_option("name", *deleted, "DEVICE/MODULE")->required();
  remove->footer("Example:\n  fleetcast module delete d1/camera");
  remove->callback([&context, deleted] { context.Finish(DeleteModule(context, *deleted)); });
}

}  // namespace fleetcast::cli
