#include "tools/fleetsim/registration.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include <grpcpp/grpcpp.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "fleetcast/registry/v1/device.grpc.pb.h"
#include "libs/auth/base64.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/status.h"

namespace fleetcast::fleetsim {
namespace {

namespace pb = registry::v1;

constexpr size_t kBatchMax = 1000;  // Changes in one request (device.proto).
constexpr absl::Duration kBatchLimit = absl::Seconds(60);
constexpr char kAlreadyExists[] = "DEVICE_ALREADY_EXISTS";

pb::DeviceChange MakeChange(const Identity& identity, pb::DeviceChange::Kind kind, const std::string& tags) {
  pb::DeviceChange change;
  change.set_kind(kind);
  change.mutable_device()->set_id(identity.id);
  change.mutable_device()->set_primary_key(identity.key.ToBase64());
  change.mutable_device()->set_secondary_key(DeriveKey(identity.key, "secondary").ToBase64());
  if (kind == pb::DeviceChange::KIND_CREATE) change.set_tags(tags);
  return change;
}

absl::StatusOr<pb::BatchChangeDevicesResponse> Send(pb::DeviceService::Stub& stub,
                                                    const pb::BatchChangeDevicesRequest& request) {
  grpc::ClientContext call;
  call.set_deadline(absl::ToChronoTime(absl::Now() + kBatchLimit));
  pb::BatchChangeDevicesResponse response;
  FLEETCAST_RETURN_IF_ERROR(rpc::FromGrpc(stub.BatchChangeDevices(&call, request, &response)));
  return response;
}

absl::Status ToStatus(const pb::DeviceChangeError& error) {
  return absl::FailedPreconditionError(
      absl::StrCat("cannot register ", error.device_id(), ": ", error.reason(), ": ", error.message()));
}

// One batch: creates, then gives those that exist their new keys.
absl::Status RegisterBatch(pb::DeviceService::Stub& stub, const std::string& tags, const Identity* begin,
                           const Identity* end) {
  pb::BatchChangeDevicesRequest creations;
  for (const Identity* at = begin; at != end; ++at)
    *creations.add_changes() = MakeChange(*at, pb::DeviceChange::KIND_CREATE, tags);
  FLEETCAST_ASSIGN_OR_RETURN(const auto created, Send(stub, creations));
  pb::BatchChangeDevicesRequest updates;
  for (const pb::DeviceChangeError& error : created.errors()) {
    if (error.reason() != kAlreadyExists) return ToStatus(error);
    *updates.add_changes() = MakeChange(begin[error.index()], pb::DeviceChange::KIND_UPDATE, tags);
  }
  if (updates.changes().empty()) return absl::OkStatus();
  FLEETCAST_ASSIGN_OR_RETURN(const auto updated, Send(stub, updates));
  return updated.errors().empty() ? absl::OkStatus() : ToStatus(updated.errors(0));
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) return absl::NotFoundError(absl::StrCat("cannot read ", path));
  return text.str();
}

}  // namespace

auth::Key DeriveKey(const auth::Key& group, std::string_view device_id) {
  return auth::Key::FromBase64(auth::Base64Encode(group.Sign(device_id))).value_or(auth::Key());
}

absl::StatusOr<std::vector<Identity>> ParseKeyFile(std::string_view text) {
  std::vector<Identity> identities;
  int number = 0;
  for (const absl::string_view line : absl::StrSplit(Absl(text), '\n')) {
    ++number;
    const std::vector<std::string> words = absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
    if (words.empty() || words[0][0] == '#') continue;
    absl::StatusOr<auth::Key> key =
        words.size() == 2 ? auth::Key::FromBase64(words[1]) : absl::InvalidArgumentError("");
    if (!key.ok()) return absl::InvalidArgumentError(absl::StrCat("--key-file, line ", number, ": not \"id key\""));
    identities.push_back({words[0], *std::move(key)});
  }
  if (identities.empty()) return absl::InvalidArgumentError("--key-file has no devices");
  return identities;
}

absl::StatusOr<std::vector<Identity>> MakeIdentities(const Options& options) {
  if (!options.key_file.empty()) {
    FLEETCAST_ASSIGN_OR_RETURN(const std::string text, ReadFile(options.key_file));
    return ParseKeyFile(text);
  }
  auth::Key group = auth::Key::Generate();
  if (!options.group_key.empty()) {
    absl::StatusOr<auth::Key> given = auth::Key::FromBase64(options.group_key);
    if (!given.ok()) return absl::InvalidArgumentError("--group-key is not base64 of 16 to 64 bytes");
    group = *std::move(given);
  }
  std::vector<Identity> identities;
  identities.reserve(static_cast<size_t>(options.devices));
  for (int i = 0; i < options.devices; ++i) {
    std::string id = absl::StrCat(options.prefix, int64_t{options.first} + i);
    auth::Key key = DeriveKey(group, id);
    identities.push_back({std::move(id), std::move(key)});
  }
  return identities;
}

absl::Status Register(const Options& options, const std::vector<Identity>& identities,
                      const std::function<void(size_t done)>& progress) {
  FLEETCAST_ASSIGN_OR_RETURN(const auto channel, rpc::MakeChannel(options.grpc_twins));
  const auto stub = pb::DeviceService::NewStub(channel);
  for (size_t begin = 0; begin < identities.size(); begin += kBatchMax) {
    const size_t end = std::min(begin + kBatchMax, identities.size());
    FLEETCAST_RETURN_IF_ERROR(RegisterBatch(*stub, options.tags, identities.data() + begin, identities.data() + end));
    progress(end);
  }
  return absl::OkStatus();
}

}  // namespace fleetcast::fleetsim
