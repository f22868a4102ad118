#include <grpcpp/grpcpp.h>
#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "fleetcast/methods/v1/method.grpc.pb.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/status.h"
#include "tools/fleetcast/arguments.h"
#include "tools/fleetcast/commands.h"
#include "tools/fleetcast/describe.h"

namespace fleetcast::cli {
namespace {

namespace methods_pb = methods::v1;

struct CallOptions {
  std::string name;
  std::string method;
  std::string payload;
  std::string response_timeout = "30s";
  std::string connect_timeout = "0s";
};

absl::Status CallMethod(Context& context, const CallOptions& options) {
  methods_pb::InvokeMethodRequest request;
  SetName(options.name, request);
  request.set_method(options.method);
  FLEETCAST_ASSIGN_OR_RETURN(*request.mutable_payload(), ArgumentText(options.payload));
  FLEETCAST_ASSIGN_OR_RETURN(const absl::Duration response_timeout,
                             ParseSpan("--response-timeout", options.response_timeout));
  FLEETCAST_ASSIGN_OR_RETURN(const absl::Duration connect_timeout,
                             ParseSpan("--connect-timeout", options.connect_timeout));
  SetProto(response_timeout, request.mutable_response_timeout());
  SetProto(connect_timeout, request.mutable_connect_timeout());

  FLEETCAST_ASSIGN_OR_RETURN(const auto channel, context.Methods());
  const auto stub = methods_pb::MethodService::NewStub(channel);
  grpc::ClientContext call;
  context.Prepare(call, response_timeout + connect_timeout);
  methods_pb::InvokeMethodResponse response;
  FLEETCAST_RETURN_IF_ERROR(rpc::FromGrpc(stub->InvokeMethod(&call, request, &response)));

  json::Value object = json::Value::MakeObject();
  object.Set("status", json::Value::Int(response.device_status()));
  object.Set("payload", Document(response.payload()));
  context.PrintOne({"status", "payload"},
                   {std::move(object), {absl::StrCat(response.device_status()), response.payload()}});
  return absl::OkStatus();
}

}  // namespace

void AddMethodCommands(CLI::App& app, Context& context) {
  CLI::App* const methods = app.add_subcommand("method", "Ask one device or module now");
  methods->require_subcommand(1);
  auto options = std::make_shared<CallOptions>();
  CLI::App* const call = methods->add_subcommand("call", "Call a direct method and print the device's answer");
  call->add_option("device", options->name, "The device, or DEVICE/MODULE")->required();
  call->add_option("method", options->method, "Name of the method")->required();
  call->add_option("-p,--payload", options->payload, "JSON for the method; @FILE reads a file");
  call->add_option("--response-timeout", options->response_timeout, "How long the device may take")
      ->capture_default_str();
  call->add_option("--connect-timeout", options->connect_timeout, "How long to wait for a device that is offline")
      ->capture_default_str();
  call->footer("Example:\n  fleetcast method call d1 lockDoor --payload '{\"zone\":\"north\"}'");
  call->callback([&context, options] { context.Finish(CallMethod(context, *options)); });
}

}  // namespace fleetcast::cli
