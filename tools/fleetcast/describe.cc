#include "tools/fleetcast/describe.h"

#include "absl/strings/ascii.h"
#include "absl/time/time.h"
#include "fleetcast/registry/v1/device.pb.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "libs/base/strings.h"

namespace fleetcast::cli {
namespace {

using json::Value;
using registry::v1::Device;

constexpr size_t kCellBytesMax = 60;

absl::Time ToTime(const google::protobuf::Timestamp& stamp) {
  return absl::FromUnixSeconds(stamp.seconds()) + absl::Nanoseconds(stamp.nanos());
}

}  // namespace

std::string FormatInstant(const google::protobuf::Timestamp& stamp) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", ToTime(stamp), absl::UTCTimeZone());
}

std::string FormatSpan(const google::protobuf::Duration& span) {
  return absl::FormatDuration(absl::Seconds(span.seconds()) + absl::Nanoseconds(span.nanos()));
}

std::string PlainName(const std::string& name, std::string_view prefix) {
  return absl::AsciiStrToLower(absl::string_view(name).substr(std::min(prefix.size(), name.size())));
}

std::string Cut(std::string text) {
  if (text.size() <= kCellBytesMax) return text;
  size_t end = kCellBytesMax - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end) + "...";
}

void SetText(Value& object, std::string_view key, const std::string& text) {
  if (!text.empty()) object.Set(key, Value::String(text));
}

std::vector<std::string> DeviceHeadings() { return {"ID", "STATUS", "CONNECTED", "LAST ACTIVITY", "PRIMARY KEY"}; }

std::vector<std::string> DeviceFieldNames() { return {"id", "status", "connected", "last activity", "primary key"}; }

Record DeviceRecord(const Device& device) {
  const std::string status = PlainName(Device::Status_Name(device.status()), "STATUS_");
  Value object = Value::MakeObject();
  object.Set("id", Value::String(device.id()));
  object.Set("status", Value::String(status));
  object.Set("connected", Value::Bool(device.connected()));
  SetText(object, "primaryKey", device.primary_key());
  SetText(object, "secondaryKey", device.secondary_key());
  SetText(object, "primaryThumbprint", device.primary_thumbprint());
  SetText(object, "generationId", device.generation_id());
  SetText(object, "etag", device.etag());
  const std::string active = device.has_last_activity_time() ? FormatInstant(device.last_activity_time()) : "";
  SetText(object, "lastActivityTime", active);
  return {std::move(object), {device.id(), status, device.connected() ? "yes" : "no", active, device.primary_key()}};
}

Value Document(std::string_view text) {
  if (text.empty()) return Value();
  absl::StatusOr<Value> value = json::Parse(text, {.bytes_max = size_t{4} << 20, .depth_max = 64});
  return value.ok() ? *std::move(value) : Value::String(text);
}

}  // namespace fleetcast::cli
