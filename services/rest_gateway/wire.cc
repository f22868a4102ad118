#include "services/rest_gateway/wire.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/json/twin_rules.h"
#include "services/rest_gateway/azure_errors.h"

namespace fleetcast::rest_gateway {
namespace {

constexpr char kNever[] = "0001-01-01T00:00:00Z";

absl::Status CheckMediaType(const http::Request& request) {
  const std::string_view type = request.FindHeader("Content-Type").value_or("application/json");
  const absl::string_view media = absl::StripAsciiWhitespace(Absl(type.substr(0, type.find(';'))));
  const std::string_view encoding = request.FindHeader("Content-Encoding").value_or("identity");
  if (!absl::EqualsIgnoreCase(media, "application/json") || !absl::EqualsIgnoreCase(Absl(encoding), "identity")) {
    return BadRequest(kUnsupportedMediaType, "the body must be application/json without compression");
  }
  return absl::OkStatus();
}

absl::Status WrongType(std::string_view name, std::string_view wanted) {
  return BadRequest(kWrongType, absl::StrCat("the member ", Absl(name), " must be ", Absl(wanted)));
}

}  // namespace

absl::Status BadRequest(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, reason, message);
}

absl::StatusOr<json::Value> ParseBody(const http::Request& request) {
  FLEETCAST_RETURN_IF_ERROR(CheckMediaType(request));
  absl::StatusOr<json::Value> body =
      json::Parse(request.body, {.bytes_max = kLargeBodyBytesMax, .depth_max = kBodyDepthMax});
  if (!body.ok()) return BadRequest(kMalformedBody, Std(body.status().message()));
  return body;
}

absl::StatusOr<json::Value> ParseObjectBody(const http::Request& request) {
  FLEETCAST_ASSIGN_OR_RETURN(json::Value body, ParseBody(request));
  if (!body.is_object()) return BadRequest(kWrongType, "the body must be a JSON object");
  return body;
}

const json::Value* FindMember(const json::Value* object, std::string_view name) {
  if (object == nullptr || !object->is_object()) return nullptr;
  const json::Value* member = object->Find(name);
  if (member == nullptr) {
    std::string capitalised(name);
    capitalised.front() = absl::ascii_toupper(static_cast<unsigned char>(capitalised.front()));
    member = object->Find(capitalised);
  }
  return member == nullptr || member->is_null() ? nullptr : member;
}

absl::StatusOr<const json::Value*> ObjectMember(const json::Value* object, std::string_view name) {
  const json::Value* member = FindMember(object, name);
  if (member != nullptr && !member->is_object()) return WrongType(name, "an object");
  return member;
}

absl::StatusOr<std::optional<std::string>> TextMember(const json::Value* object, std::string_view name) {
  const json::Value* member = FindMember(object, name);
  if (member == nullptr) return std::optional<std::string>();
  if (!member->is_string()) return WrongType(name, "a string");
  return std::optional<std::string>(member->AsString());
}

absl::StatusOr<std::optional<int64_t>> IntegerMember(const json::Value* object, std::string_view name) {
  const json::Value* member = FindMember(object, name);
  if (member == nullptr) return std::optional<int64_t>();
  const std::optional<int64_t> value = member->is_number() ? member->AsInt() : std::nullopt;
  if (!value) return WrongType(name, "an integer");
  return value;
}

absl::StatusOr<std::optional<bool>> BoolMember(const json::Value* object, std::string_view name) {
  const json::Value* member = FindMember(object, name);
  if (member == nullptr) return std::optional<bool>();
  if (!member->is_bool()) return WrongType(name, "true or false");
  return std::optional<bool>(member->AsBool());
}

std::optional<absl::Time> ParseTime(std::string_view text) {
  // Abseil would also read blanks and the words for infinity.
  if (text.empty() || !absl::ascii_isdigit(static_cast<unsigned char>(text.front()))) return std::nullopt;
  absl::Time time;
  for (const char* format : {"%Y-%m-%d%ET%H:%M:%E*S%Ez", "%Y-%m-%d%ET%H:%M:%E*S"}) {
    if (absl::ParseTime(format, Absl(text), &time, nullptr)) return time;
  }
  return std::nullopt;
}

std::optional<std::string> IfMatch(const http::Request& request) {
  absl::string_view value = Absl(request.FindHeader("If-Match").value_or(""));
  if (absl::StartsWith(value, "W/")) value.remove_prefix(2);
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
  if (value.empty()) return std::nullopt;
  return std::string(value);
}

std::string QuotedEtag(std::string_view etag) { return absl::StrCat("\"", Absl(etag), "\""); }

PageRequest PageFromHeaders(const http::Request& request) {
  PageRequest page;
  int size = 0;
  if (absl::SimpleAtoi(Absl(request.FindHeader("x-ms-max-item-count").value_or("")), &size)) {
    page.size = std::clamp(size, 1, kPageSizeMax);
  }
  page.token = std::string(request.FindHeader("x-ms-continuation").value_or(""));
  return page;
}

void ObjectWriter::Name(std::string_view name) {
  absl::StrAppend(&text_, text_.empty() ? "{" : ",", "\"", Absl(name), "\":");
}

ObjectWriter& ObjectWriter::Text(std::string_view name, std::string_view value) {
  Name(name);
  json::QuoteTo(value, text_);
  return *this;
}

ObjectWriter& ObjectWriter::Json(std::string_view name, std::string_view text) {
  Name(name);
  text_.append(text.empty() ? std::string_view("null") : text);
  return *this;
}

ObjectWriter& ObjectWriter::Integer(std::string_view name, int64_t value) {
  Name(name);
  absl::StrAppend(&text_, value);
  return *this;
}

ObjectWriter& ObjectWriter::Bool(std::string_view name, bool value) {
  Name(name);
  text_.append(value ? "true" : "false");
  return *this;
}

ObjectWriter& ObjectWriter::Time(std::string_view name, absl::Time value) {
  return Text(name, value == absl::InfinitePast() ? kNever : json::TwinTime(value));
}

std::string ObjectWriter::Finish() {
  std::string text = text_.empty() ? "{}" : std::move(text_) + "}";
  text_.clear();
  return text;
}

}  // namespace fleetcast::rest_gateway
