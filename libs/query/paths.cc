#include "libs/query/paths.h"

#include <array>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/query/names.h"

namespace fleetcast::query {
namespace {

// A path of system members, dots between them; `alias` is another name of the whole path ("" = none).
struct SystemMember {
  std::string_view name;
  std::string_view alias = "";
};

constexpr SystemMember kTwinMembers[] = {{"deviceId", "id"},
                                         {"etag"},
                                         {"deviceEtag"},
                                         {"status"},
                                         {"statusReason"},
                                         {"statusUpdateTime"},
                                         {"connectionState"},
                                         {"lastActivityTime"},
                                         {"cloudToDeviceMessageCount"},
                                         {"authenticationType"},
                                         {"x509Thumbprint.primaryThumbprint"},
                                         {"x509Thumbprint.secondaryThumbprint"},
                                         {"modelId"},
                                         {"version"},
                                         {"capabilities.iotEdge"},
                                         {"deviceScope"},
                                         {"parentScopes"},
                                         {"tags"},
                                         {"properties.desired"},
                                         {"properties.reported"},
                                         {"configurations"},
                                         {"moduleId"}};

constexpr SystemMember kJobMembers[] = {{"deviceId"},
                                        {"moduleId"},
                                        {"jobId"},
                                        {"jobType"},
                                        {"status"},
                                        {"startTimeUtc"},
                                        {"endTimeUtc"},
                                        {"createdDateTimeUtc", "createdTimeUtc"},
                                        {"lastUpdatedDateTimeUtc"},
                                        {"outcome.deviceMethodResponse.status"},
                                        {"outcome.deviceMethodResponse.payload"},
                                        {"error.code"},
                                        {"error.description"}};

constexpr std::string_view kTimeMembers[] = {"statusUpdateTime", "lastActivityTime",   "startTimeUtc",
                                             "endTimeUtc",       "createdDateTimeUtc", "lastUpdatedDateTimeUtc"};

constexpr std::pair<std::string_view, std::string_view> kJobTypes[] = {
    {"scheduleDeviceMethod", "scheduleDeviceMethod"},
    {"scheduleDirectRequest", "scheduleDeviceMethod"},
    {"scheduleDirectMethod", "scheduleDeviceMethod"},
    {"scheduledDeviceMethod", "scheduleDeviceMethod"},
    {"cloudToDeviceMethod", "scheduleDeviceMethod"},
    {"scheduleUpdateTwin", "scheduleUpdateTwin"},
    {"scheduleTwinUpdate", "scheduleUpdateTwin"},
    {"scheduledUpdateTwin", "scheduleUpdateTwin"},
    {"updateTwin", "scheduleUpdateTwin"}};

// Replaces the leading segments of `path` that spell `name` (at most all of it). True if at least `path` or `name` ran
// out while everything agreed.
bool Respell(Path& path, std::string_view name) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t dot = name.find('.');
    parts.push_back(name.substr(0, dot));
    if (dot == std::string_view::npos) break;
    name.remove_prefix(dot + 1);
  }
  const size_t length = std::min(parts.size(), path.size());
  for (size_t i = 0; i < length; ++i) {
    if (path[i].is_index || !IsSame(path[i].name, parts[i])) return false;
  }
  for (size_t i = 0; i < length; ++i) path[i].name = std::string(parts[i]);
  return true;
}

void StripCollection(Path& path) {
  if (path.size() < 2 || path[0].is_index || !IsSame(path[0].name, "devices")) return;
  const bool has_second = !path[1].is_index && (IsSame(path[1].name, "modules") || IsSame(path[1].name, "jobs"));
  path.erase(path.begin(), path.begin() + (has_second && path.size() > 2 ? 2 : 1));
}

}  // namespace

void Canonicalize(Path& path, Collection collection) {
  StripCollection(path);
  const std::span<const SystemMember> members =
      collection == Collection::kJobs ? std::span<const SystemMember>(kJobMembers) : kTwinMembers;
  for (const SystemMember& member : members) {
    if (!member.alias.empty() && !path[0].is_index && IsSame(path[0].name, member.alias)) {
      path[0].name = std::string(member.name);
      return;
    }
    if (Respell(path, member.name)) return;
  }
}

void CanonicalizeJobLiteral(const Path& path, json::Value& literal) {
  if (path.size() != 1 || !literal.is_string()) return;
  if (path[0].name == "status" && IsSame(literal.AsString(), "cancelled")) literal = json::Value::String("canceled");
  if (path[0].name != "jobType") return;
  for (const auto& [alias, canonical] : kJobTypes) {
    if (IsSame(literal.AsString(), alias)) {
      literal = json::Value::String(canonical);
      return;
    }
  }
}

bool IsTimePath(const Path& path) {
  if (path.empty()) return false;
  if (path.back().name == "$lastUpdated" && path.size() > 3) return true;
  if (path.size() != 1) return false;
  for (const std::string_view member : kTimeMembers) {
    if (path[0].name == member) return true;
  }
  return false;
}

std::string PathText(const Path& path) {
  std::string text;
  for (const Segment& segment : path) {
    if (segment.is_index) {
      absl::StrAppend(&text, "[", segment.name, "]");
    } else {
      absl::StrAppend(&text, text.empty() ? "" : ".", segment.name);
    }
  }
  return text;
}

absl::Status ErrorAt(std::string_view reason, Position position, std::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, reason,
                   absl::StrCat("Line ", position.line, ":", position.column, " ", Absl(message)),
                   {{"line", absl::StrCat(position.line)}, {"column", absl::StrCat(position.column)}});
}

}  // namespace fleetcast::query
