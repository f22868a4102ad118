#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <stop_token>

#include <grpcpp/grpcpp.h>
#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "fleetcast/sessions/v1/edge.grpc.pb.h"
#include "libs/base/clock.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/status.h"
#include "tools/fleetcast/arguments.h"
#include "tools/fleetcast/commands.h"
#include "tools/fleetcast/describe.h"
#include "tools/fleetcast/drain_progress.h"
#include "tools/fleetcast/exit_codes.h"
#include "tools/fleetcast/interrupt.h"
#include "tools/fleetcast/suggest.h"
#include "tools/fleetcast/transfer_progress.h"

namespace fleetcast::cli {
namespace {

namespace sessions_pb = sessions::v1;
using EdgeStub = sessions_pb::EdgeService::Stub;

constexpr absl::Duration kLook = absl::Milliseconds(500);
constexpr int kFailuresMax = 40;  // In a row, of looking; some 20 s.

struct DrainOptions {
  std::string edge_id;  // Empty: the only one.
  std::string over;
  double rate = 0;
  bool no_watch = false;
};

std::vector<std::string> EdgeHeadings() { return {"EDGE", "STATE", "DEVICES", "CONNECTIONS"}; }
std::vector<std::string> EdgeFieldNames() { return {"edge", "state", "devices", "connections"}; }

Record EdgeRecord(const sessions_pb::Edge& edge) {
  const bool is_known = edge.state() != sessions_pb::Edge::STATE_UNSPECIFIED;
  const std::string state = is_known ? PlainName(sessions_pb::Edge::State_Name(edge.state()), "STATE_") : "unknown";
  json::Value object = json::Value::MakeObject();
  object.Set("edgeId", json::Value::String(edge.id()));
  object.Set("state", json::Value::String(state));
  object.Set("devices", json::Value::Int(edge.sessions()));
  object.Set("connections", json::Value::Int(edge.connections()));
  return {std::move(object), {edge.id(), state, GroupDigits(edge.sessions()), GroupDigits(edge.connections())}};
}

EdgeReport ReportOf(const sessions_pb::Edge& edge) {
  switch (edge.state()) {
    case sessions_pb::Edge::STATE_SERVING: return {EdgeReport::State::kServing, edge.connections()};
    case sessions_pb::Edge::STATE_DRAINING: return {EdgeReport::State::kDraining, edge.connections()};
    case sessions_pb::Edge::STATE_DRAINED: return {EdgeReport::State::kDrained, edge.connections()};
    default: return {EdgeReport::State::kUnknown, edge.connections()};
  }
}

absl::StatusOr<sessions_pb::ListEdgesResponse> ReadEdges(const Context& context, EdgeStub& stub) {
  grpc::ClientContext call;
  context.Prepare(call);
  sessions_pb::ListEdgesResponse response;
  FLEETCAST_RETURN_IF_ERROR(rpc::FromGrpc(stub.ListEdges(&call, {}, &response)));
  return response;
}

absl::Status ListEdges(Context& context) {
  FLEETCAST_ASSIGN_OR_RETURN(const auto channel, context.Sessions());
  const auto stub = sessions_pb::EdgeService::NewStub(channel);
  FLEETCAST_ASSIGN_OR_RETURN(const sessions_pb::ListEdgesResponse response, ReadEdges(context, *stub));
  std::vector<Record> records;
  for (const sessions_pb::Edge& edge : response.edges()) records.push_back(EdgeRecord(edge));
  context.Print(EdgeHeadings(), records);
  return absl::OkStatus();
}

// The edge that is meant: the named one, or the only one.
absl::StatusOr<std::string> ChooseEdge(const std::string& name, const sessions_pb::ListEdgesResponse& edges) {
  std::vector<std::string> names;
  for (const sessions_pb::Edge& edge : edges.edges()) names.push_back(edge.id());
  if (names.empty()) return absl::NotFoundError("no edge is attached\ntry:   fleetcast edge list, in a moment");
  if (name.empty()) {
    if (names.size() == 1) return names.front();
    return absl::InvalidArgumentError(absl::StrCat("there are several edges: ", absl::StrJoin(names, ", "),
                                                   "\ntry:   fleetcast edge drain ", names[0]));
  }
  if (std::find(names.begin(), names.end(), name) != names.end()) return name;
  const std::string meant = Suggest(name, names);
  return absl::NotFoundError(absl::StrCat("no edge '", name, "' is attached\ntry:   ",
                                          meant.empty() ? "fleetcast edge list" : "fleetcast edge drain " + meant));
}

void WarnIfLast(const std::string& edge_id, const sessions_pb::ListEdgesResponse& edges) {
  const bool has_others = std::any_of(edges.edges().begin(), edges.edges().end(), [&](const sessions_pb::Edge& edge) {
    return edge.id() != edge_id && edge.state() == sessions_pb::Edge::STATE_SERVING;
  });
  if (!has_others) Say("No other edge takes devices: those of this one have nowhere to go until one does.");
}

absl::StatusOr<sessions_pb::DrainEdgeRequest> ReadRequest(const DrainOptions& options) {
  sessions_pb::DrainEdgeRequest request;
  if (!options.over.empty()) {
    FLEETCAST_ASSIGN_OR_RETURN(const absl::Duration over, ParseSpan("--over", options.over));
    SetProto(over, request.mutable_close_over());
  }
  request.set_closes_per_second(options.rate);
  return request;
}

// How the edge is now; nullopt when it is not attached.
absl::StatusOr<std::optional<sessions_pb::Edge>> ReadEdge(const Context& context, EdgeStub& stub,
                                                          const std::string& edge_id) {
  grpc::ClientContext call;
  context.Prepare(call);
  sessions_pb::GetEdgeRequest request;
  request.set_edge_id(edge_id);
  sessions_pb::GetEdgeResponse response;
  const absl::Status status = rpc::FromGrpc(stub.GetEdge(&call, request, &response));
  if (absl::IsNotFound(status)) return std::nullopt;
  FLEETCAST_RETURN_IF_ERROR(status);
  return response.edge();
}

absl::Status Conclude(Context& context, DrainProgress::Verdict verdict, const sessions_pb::Edge& last,
                      const Counts& counts) {
  switch (verdict) {
    case DrainProgress::Verdict::kGoesOn:
      Say(absl::StrCat("Not watching any more. The edge goes on emptying.\ntry:   fleetcast edge drain ", last.id(),
                       ", to watch again, or fleetcast edge list"));
      context.exit_code = kExitInterrupted;
      return absl::OkStatus();
    case DrainProgress::Verdict::kGone: Say(absl::StrCat(last.id(), " is gone: its process has ended.")); break;
    case DrainProgress::Verdict::kEmpty:
      Say(absl::StrCat(last.id(), " is empty, ", GroupDigits(counts.total),
                       " connections are gone. Its process can end."));
      break;
    case DrainProgress::Verdict::kRestarted:
      return absl::AbortedError(absl::StrCat(
          last.id(), " takes devices: its process was started anew meanwhile\ntry:   ", "fleetcast edge drain ",
          last.id()));
    case DrainProgress::Verdict::kSilent:
      return absl::DeadlineExceededError(
          absl::StrCat(last.id(), " does not begin\ntry:   fleetcast edge list; does it run this version?"));
  }
  if (context.format() != Format::kJsonl) context.PrintOne(EdgeFieldNames(), EdgeRecord(last));
  return absl::OkStatus();
}

// Follows the edge until it is empty. Ctrl-C ends only the watching.
absl::Status WatchDrain(Context& context, EdgeStub& stub, sessions_pb::Edge edge) {
  std::stop_source interrupted;
  InterruptWatch interrupt([&interrupted] { interrupted.request_stop(); });
  DrainProgress progress(SystemClock().Monotonic());
  TransferProgress display(absl::StrCat(edge.id(), " draining"));
  DrainProgress::Verdict verdict = DrainProgress::Verdict::kGoesOn;
  int failures = 0;
  while (verdict == DrainProgress::Verdict::kGoesOn && SystemClock().Sleep(kLook, interrupted.get_token())) {
    const absl::StatusOr<std::optional<sessions_pb::Edge>> found = ReadEdge(context, stub, edge.id());
    if (!found.ok()) {
      if (absl::IsUnavailable(found.status()) && ++failures < kFailuresMax) continue;
      display.Close();
      return found.status();
    }
    failures = 0;
    std::optional<EdgeReport> report;
    if (found->has_value()) {
      edge = **found;
      report = ReportOf(edge);
    }
    verdict = progress.Update(report, SystemClock().Monotonic());
    if (context.format() == Format::kJsonl && report.has_value()) {
      std::printf("%s\n", json::Print(EdgeRecord(edge).json).c_str());
      std::fflush(stdout);
    } else if (context.format() == Format::kTable) {
      display.Show(progress.counts());
    }
  }
  display.Close();
  return Conclude(context, verdict, edge, progress.counts());
}

absl::Status DrainEdge(Context& context, const DrainOptions& options) {
  BlockInterrupts();
  FLEETCAST_ASSIGN_OR_RETURN(sessions_pb::DrainEdgeRequest request, ReadRequest(options));
  FLEETCAST_ASSIGN_OR_RETURN(const auto channel, context.Sessions());
  const auto stub = sessions_pb::EdgeService::NewStub(channel);
  FLEETCAST_ASSIGN_OR_RETURN(const sessions_pb::ListEdgesResponse edges, ReadEdges(context, *stub));
  FLEETCAST_ASSIGN_OR_RETURN(*request.mutable_edge_id(), ChooseEdge(options.edge_id, edges));
  WarnIfLast(request.edge_id(), edges);
  grpc::ClientContext call;
  context.Prepare(call);
  sessions_pb::DrainEdgeResponse response;
  FLEETCAST_RETURN_IF_ERROR(rpc::FromGrpc(stub->DrainEdge(&call, request, &response)));
  if (!options.no_watch) return WatchDrain(context, *stub, response.edge());
  context.PrintOne(EdgeFieldNames(), EdgeRecord(response.edge()));
  return absl::OkStatus();
}

}  // namespace

void AddEdgeCommands(CLI::App& app, Context& context) {
  CLI::App* const edges = app.add_subcommand("edge", "Edges: the processes that hold the connections of devices");
  edges->require_subcommand(1);

  CLI::App* const list = edges->add_subcommand("list", "The edges that run, and how many devices each has");
  list->footer("Example:\n  fleetcast edge list");
  list->callback([&context] { context.Finish(ListEdges(context)); });

  auto options = std::make_shared<DrainOptions>();
  CLI::App* const drain = edges->add_subcommand(
      "drain",
      "Empty an edge before it is stopped: it takes no new devices and closes its connections one after the other, "
      "each when no method call is under way on it. The devices come back through other edges. The process stays.");
  drain->add_option("edge", options->edge_id, "Its name; may be left out when there is only one");
  CLI::Option* const over =
      drain->add_option("--over", options->over, "Over how long, for instance 2m; default: the edge's --close-over");
  drain->add_option("--rate", options->rate, "Connections a second, instead")
      ->excludes(over)
      ->check(CLI::Range(0.01, 1e6));
  drain->add_flag("--no-watch", options->no_watch, "Return when the edge was told");
  drain->footer(
      "Ctrl-C ends the watching, not the draining. A second drain changes the pace of the first.\n"
      "Examples:\n  fleetcast edge drain mqtt-edge-1 --over 5m\n  fleetcast edge drain mqtt-edge-1 --rate 500 -o "
      "jsonl");
  drain->callback([&context, options] { context.Finish(DrainEdge(context, *options)); });
}

}  // namespace fleetcast::cli
