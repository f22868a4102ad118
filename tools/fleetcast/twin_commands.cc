#include <grpcpp/grpcpp.h>
#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "fleetcast/twins/v1/twin.grpc.pb.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/status.h"
#include "tools/fleetcast/arguments.h"
#include "tools/fleetcast/commands.h"
#include "tools/fleetcast/describe.h"

namespace fleetcast::cli {
namespace {

namespace twins_pb = twins::v1;

struct TwinUpdateOptions {
  std::string device_id;
  std::string tags;
  std::string desired;
  std::string if_match;
};

struct QueryOptions {
  std::string query;
  int limit = 100;
};

absl::StatusOr<std::unique_ptr<twins_pb::TwinService::Stub>> ConnectToTwins(const Context& context) {
  FLEETCAST_ASSIGN_OR_RETURN(const auto channel, context.Twins());
  return twins_pb::TwinService::NewStub(channel);
}

// A twin is a document: people read it as one too.
void PrintTwin(const Context& context, const twins_pb::Twin& twin) {
  const json::Value document = Document(twin.document());
  std::fputs(
      context.format() == Format::kJsonl ? (json::Print(document) + "\n").c_str() : FormatPretty(document).c_str(),
      stdout);
}

absl::Status GetTwin(Context& context, const std::string& device_id) {
  FLEETCAST_ASSIGN_OR_RETURN(const auto stub, ConnectToTwins(context));
  grpc::ClientContext call;
  context.Prepare(call);
  twins_pb::GetTwinRequest request;
  SetName(device_id, request);
  twins_pb::GetTwinResponse response;
  FLEETCAST_RETURN_IF_ERROR(rpc::FromGrpc(stub->GetTwin(&call, request, &response)));
  PrintTwin(context, response.twin());
  return absl::OkStatus();
}

absl::Status UpdateTwin(Context& context, const TwinUpdateOptions& options) {
  if (options.tags.empty() && options.desired.empty()) {
    return absl::InvalidArgumentError("nothing to change\ntry:   --tags JSON or --desired JSON");
  }
  twins_pb::PatchTwinRequest request;
  SetName(options.device_id, request);
  request.set_if_match(options.if_match);
  FLEETCAST_ASSIGN_OR_RETURN(*request.mutable_tags_patch(), ArgumentText(options.tags));
  FLEETCAST_ASSIGN_OR_RETURN(*request.mutable_desired_patch(), ArgumentText(options.desired));
  FLEETCAST_ASSIGN_OR_RETURN(const auto stub, ConnectToTwins(context));
  grpc::ClientContext call;
  context.Prepare(call);
  twins_pb::PatchTwinResponse response;
  FLEETCAST_RETURN_IF_ERROR(rpc::FromGrpc(stub->PatchTwin(&call, request, &response)));
  PrintTwin(context, response.twin());
  return absl::OkStatus();
}

absl::Status Query(Context& context, const QueryOptions& options) {
  FLEETCAST_ASSIGN_OR_RETURN(const auto stub, ConnectToTwins(context));
  twins_pb::QueryTwinsRequest request;
  FLEETCAST_ASSIGN_OR_RETURN(*request.mutable_query(), ArgumentText(options.query));
  std::vector<Record> records;
  do {
    request.set_page_size(std::min(kPageSize, options.limit - static_cast<int>(records.size())));
    grpc::ClientContext call;
    context.Prepare(call);
    twins_pb::QueryTwinsResponse response;
    FLEETCAST_RETURN_IF_ERROR(rpc::FromGrpc(stub->QueryTwins(&call, request, &response)));
    for (const std::string& row : response.rows()) records.push_back({Document(row), {row}});
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty() && static_cast<int>(records.size()) < options.limit);
  // Rows have no columns in common: a line each is their table.
  const Format format = context.format() == Format::kJson ? Format::kJson : Format::kJsonl;
  std::fputs(FormatList(format, {}, records).c_str(), stdout);
  SayIfMore(request.page_token());
  return absl::OkStatus();
}

}  // namespace

void AddTwinCommands(CLI::App& app, Context& context) {
  CLI::App* const twins = app.add_subcommand("twin", "What a device should be and what it says it is");
  twins->require_subcommand(1);

  auto device_id = std::make_shared<std::string>();
  CLI::App* const get = twins->add_subcommand("get", "Print a twin");
  get->add_option("device", *device_id, "DEVICE or DEVICE/MODULE")->required();
  get->footer("Example:\n  fleetcast twin get d1");
  get->callback([&context, device_id] { context.Finish(GetTwin(context, *device_id)); });

  auto options = std::make_shared<TwinUpdateOptions>();
  CLI::App* const update = twins->add_subcommand("update", "Merge into tags and desired properties; null removes");
  update->add_option("device", options->device_id, "DEVICE or DEVICE/MODULE")->required();
  update->add_option("--tags", options->tags, "JSON object; @FILE reads a file");
  update->add_option("--desired", options->desired, "JSON object; @FILE reads a file");
  update->add_option("--if-match", options->if_match, "Only if the twin still has this etag");
  update->footer("Example:\n  fleetcast twin update d1 --tags '{\"building\":\"43\"}' --desired '{\"interval\":60}'");
  update->callback([&context, options] { context.Finish(UpdateTwin(context, *options)); });

  auto query = std::make_shared<QueryOptions>();
  CLI::App* const command = app.add_subcommand("query", "Run a query over devices; prints a JSON row a line");
  command->add_option("query", query->query, "The query; @FILE reads a file")->required();
  command->add_option("-l,--limit", query->limit, "At most so many rows")
      ->check(CLI::Range(1, 1'000'000'000))
      ->capture_default_str();
  command->footer(
      "Examples:\n  fleetcast query \"SELECT * FROM devices WHERE tags.building = '43'\"\n"
      "  fleetcast query \"SELECT COUNT() AS n FROM devices\"");
  command->callback([&context, query] { context.Finish(Query(context, *query)); });
}

}  // namespace fleetcast::cli
